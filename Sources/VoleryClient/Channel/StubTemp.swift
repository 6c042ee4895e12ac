package import VoleryLoadBalancing
package import VoleryTransport
package import VoleryTypes

public final class Channel: Sendable {
  let core: ChannelCore
  init(core: ChannelCore) { self.core = core }
}
package struct MethodConfig: Sendable {
  var waitForReady: Bool?
  var timeout: Duration?
  var maxRequestMessageBytes: Int?
  var maxResponseMessageBytes: Int?
}
package struct PickerGeneration: Sendable {}
package enum PickOutcome {
  case connection(any ClientConnection, Subchannel)
  case wait(PickerGeneration)
  case fail(StatusError)
  case drop(StatusError)
}
package protocol PickWaiter: AnyObject, Sendable { func pickerChanged() }
package struct Opt: Sendable { var maxResponseMessageBytes = 4 << 20 }
package final class ChannelCore: Sendable {
  let options = Opt()
  let loop: any TransportLoop
  let authority = "", target = "", situation = ""
  init(loop: any TransportLoop) { self.loop = loop }
  func pick(_ request: PickRequest, waitForReady: Bool) -> PickOutcome { .wait(PickerGeneration()) }
  func wait(for newer: PickerGeneration, _ waiter: any PickWaiter) {}
  func cancelWait(_ waiter: any PickWaiter) {}
  func callStarted() {}
  func callEnded() {}
  func attemptEnded(_ subchannel: Subchannel, code: StatusCode, origin: StatusError.Origin, duration: Duration) {}
  func methodConfig(for method: MethodDescriptor) -> MethodConfig? { nil }
}
