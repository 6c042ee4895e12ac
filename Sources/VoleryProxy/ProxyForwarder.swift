import VoleryClient
import VoleryEventLoops
import VoleryNameResolution
import VoleryServer
import VoleryTransport
import VoleryTypes

/// Forwards the calls that a server's clients make: on each loop by a channel of its own, so that a call never leaves the loop
/// of its client.
final class ProxyForwarder: StreamForwarder {
  private let lanes: [ObjectIdentifier: Lane]
  private let options: ProxyOptions

  /// What one loop has.
  private final class Lane: @unchecked Sendable {  // Isolation: loop
    let channel: Channel
    let keepsAuthority: Bool
    var methods = MethodMemo()

    init(_ channel: Channel, keepsAuthority: Bool) {
      self.channel = channel
      self.keepsAuthority = keepsAuthority
    }
  }

  init(to target: String, _ options: ProxyOptions, on group: EventLoopGroup) throws(TargetError) {
    self.options = options
    let isSecure = options.channelCredentials.isSecure
    var lanes: [ObjectIdentifier: Lane] = [:]
    for loop in group.loops {
      let channel = try Channel(
        target, credentials: options.channelCredentials, options: options.channel, on: EventLoopGroup([loop]))
      lanes[ObjectIdentifier(loop)] = Lane(channel, keepsAuthority: options.keepsAuthority ?? !isSecure)
    }
    self.lanes = lanes
  }

  func connect() { for lane in lanes.values { lane.channel.connect() } }

  func drain(limit: Duration) async {
    await withTaskGroup(of: Void.self) { group in
      for lane in lanes.values { group.addTask { await lane.channel.drain(limit: limit) } }
    }
  }

  func accept(
    path: UnsafeRawBufferPointer, head: consuming ServerRequestHead, stream: any ServerStream
  ) -> (any ServerStreamHandler)? {
    guard let lane = lanes[ObjectIdentifier(stream.transportLoop)] else {
      preconditionFailure("a proxy's server has the proxy's loops")
    }
    guard let method = lane.methods.method(of: path) else {
      return refuse(stream, .unimplemented, "the path is none of a method")
    }
    let received = RequestMetadata(head.metadata, client: client(stream.peer), name: options.name)
    guard received.hops < options.maxHops else {
      return refuse(stream, .internal, "the call has come through \(received.hops) proxies, which looks like a loop")
    }
    let deadline = head.timeout.map { Deadline.after($0) } ?? .none
    var forwarded = ForwardedHead(deadline: deadline, metadata: received.metadata)
    if lane.keepsAuthority, !head.authority.isEmpty { forwarded.authority = head.authority }
    forwarded.contentSubtype = head.contentSubtype
    forwarded.messageEncoding = head.messageEncoding
    forwarded.acceptedEncodings = stream.acceptedEncodingsText
    guard stream.passBytes() else {
      return refuse(stream, .unimplemented, "calls within the process are not forwarded")
    }
    let log = options.accessLog.logger.map { _ in
      ForwardedCall.CallLog(
        log: options.accessLog,
        entry: ProxyAccessLog.Entry(method: method, client: stream.peer, timeout: head.timeout))
    }
    let call = ForwardedCall(timeout: head.timeout, deadline: deadline, stream: stream, log: log)
    call.start(ForwardedRequest(on: lane.channel, method, forwarded, handler: call))
    return call
  }

  private func refuse(_ stream: any ServerStream, _ code: StatusCode, _ text: String) -> (any ServerStreamHandler)? {
    stream.finish(Status(code: code, message: "the proxy: \(text)"), trailingMetadata: Metadata())
    return nil
  }

  private func client(_ peer: Peer) -> String {
    if case .tcp(let host, _) = peer.address { host } else { "unix" }
  }
}
