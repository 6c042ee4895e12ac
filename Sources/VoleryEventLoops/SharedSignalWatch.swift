import Dispatch
import Synchronization
import VoleryPlatform

/// Hears of a signal beside somebody else in the process who has a dispatch source for it: a ServiceGroup of
/// swift-service-lifecycle, as a rule. Both hear of it; with `SignalWatch` only one of them would. Made and closed on any thread.
package final class SharedSignalWatch: Sendable {
  /// Dispatch guards it itself.
  nonisolated(unsafe) private let source: any DispatchSourceSignal  // Isolation: constant

  /// - Parameter handler: Called on a queue of dispatch's.
  package init(_ signal: Int32, _ handler: @escaping @Sendable () -> Void) {
    source = DispatchSource.makeSignalSource(signal: signal, queue: .global())
    source.setEventHandler(handler: handler)
    let before = SignalAction(of: signal)
    source.setRegistrationHandler { [source] in
      // It was a handler of another kind, which dispatch has replaced: the program goes on having the signal for itself.
      guard before != SignalAction(of: signal) else { return }
      before.restore()
      source.cancel()
    }
    source.resume()
  }

  package func close() { source.cancel() }

  /// Whether it hears of nothing any more: it was closed, or the program has the signal for itself.
  package var isClosed: Bool { source.isCancelled }
}

/// What happens when the process gets a signal.
package struct SignalAction: Equatable, @unchecked Sendable {  // Isolation: constant
  private let signal: Int32
  private var action = sigaction()

  /// What happens now.
  package init(of signal: Int32) {
    self.signal = signal
    sigaction(signal, nil, &action)
  }

  fileprivate func restore() {
    var action = action
    sigaction(signal, &action, nil)
  }

  /// Whether a function is called, and the signal is neither ignored nor has its default effect.
  package var callsHandler: Bool {
    address != unsafeBitCast(SIG_DFL, to: UInt.self) && address != unsafeBitCast(SIG_IGN, to: UInt.self)
  }

  /// Of the function, or one of the two that are none.
  private var address: UInt { SignalCalls.handlerAddress(action) }

  package static func == (left: SignalAction, right: SignalAction) -> Bool { left.address == right.address }
}
