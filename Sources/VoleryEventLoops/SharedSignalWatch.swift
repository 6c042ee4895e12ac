import Dispatch
import Synchronization
import VoleryPlatform
import VoleryPrimitives

/// Hears of a signal beside somebody else in the process who has a dispatch source for it: a ServiceGroup of
/// swift-service-lifecycle, as a rule. Both hear of it; with `SignalWatch` only one of them would. Made and closed on any thread.
///
/// A signal that the program has a handler of its own for is left to it, untouched: dispatch would put its handler in the place of
/// that one, and what came until it is put back would be lost.
package final class SharedSignalWatch: Sendable {
  private enum State {
    /// What dispatch's handler is, is being found out.
    case undecided
    case watching(Source)
    case closed
  }

  /// Dispatch guards it itself.
  private struct Source: @unchecked Sendable {  // Isolation: constant
    let source: any DispatchSourceSignal
  }

  private let state = Mutex(State.undecided)
  private let beginning = Beginning()

  /// That it hears of the signal, or never will.
  private final class Beginning: Sendable {
    private struct State {
      var isOver = false
      var waiters = WaiterList()
    }

    private let state = Mutex(State())

    func end() {
      let waiters = state.withLock { state in
        state.isOver = true
        return state.waiters.takeAll()
      }
      waiters.resumeAll()
    }

    func wait() async { await state.wait(in: \.waiters) { $0.isOver } }
  }

  /// - Parameter handler: Called on a queue of dispatch's.
  package init(_ signal: Int32, _ handler: @escaping @Sendable () -> Void) {
    let action = SignalAction(of: signal)
    DispatchSignals.find { [weak self] dispatch in
      guard let self, dispatch.mayHear(of: action) else {
        self?.close()
        return
      }
      start(signal, handler)
    }
  }

  private func start(_ signal: Int32, _ handler: @escaping @Sendable () -> Void) {
    state.withLock { state in
      guard case .undecided = state else { return }
      let source = DispatchSource.makeSignalSource(signal: signal, queue: .global())
      source.setEventHandler(handler: handler)
      source.setRegistrationHandler { [beginning] in beginning.end() }
      source.resume()
      state = .watching(Source(source: source))
    }
  }

  /// Returns when it hears of every signal that comes, or hears of none because the program has the signal for itself.
  package func begun() async { await beginning.wait() }

  package func close() {
    state.withLock { state in
      if case .watching(let watched) = state { watched.source.cancel() }
      state = .closed
    }
    beginning.end()
  }

  deinit { close() }

  /// Whether it hears of nothing any more: it was closed, or the program has the signal for itself.
  package var isClosed: Bool {
    state.withLock { state in
      if case .closed = state { true } else { false }
    }
  }
}

/// How dispatch comes to hear of signals here.
enum DispatchSignals {
  /// By a function that it has called for them, at this address (Linux).
  case handler(SignalAction)
  /// It needs none (macOS).
  case none
  /// Every signal to find it out by has a handler already.
  case unknown

  /// Whether a source for a signal with this action takes it from nobody.
  func mayHear(of action: SignalAction) -> Bool {
    switch self {
    case .handler(let own): action == own
    case .none: true
    case .unknown: false
    }
  }

  /// Signals that do nothing unless somebody handles them.
  private static let harmless = [SIGURG, SIGWINCH]

  private struct Finding {
    var found: DispatchSignals?
    var hasBegun = false
    var waiters: [@Sendable (DispatchSignals) -> Void] = []
  }

  private static let finding = Mutex(Finding())

  /// Finds it out, the first time by a source for a signal that nobody handles, and says it: at once where it is known, else on a queue
  /// of dispatch's. The signal keeps dispatch's handler, which drops what no source waits for: dispatch installs it once in a
  /// process, and would miss it afterwards.
  static func find(_ then: @escaping @Sendable (DispatchSignals) -> Void) {
    let (found, begins) = finding.withLock { finding in
      guard finding.found == nil else { return (finding.found, false) }
      finding.waiters.append(then)
      defer { finding.hasBegun = true }
      return (nil, !finding.hasBegun)
    }
    if let found { return then(found) }
    guard begins else { return }
    guard let signal = harmless.first(where: { SignalAction(of: $0).isDefault }) else { return finish(.unknown) }
    let source = DispatchSource.makeSignalSource(signal: signal, queue: .global())
    source.setRegistrationHandler {
      let action = SignalAction(of: signal)
      source.cancel()
      finish(action.isDefault ? .none : .handler(action))
    }
    source.resume()
  }

  private static func finish(_ found: DispatchSignals) {
    let waiters = finding.withLock { finding in
      finding.found = found
      defer { finding.waiters = [] }
      return finding.waiters
    }
    for waiter in waiters { waiter(found) }
  }
}

/// What happens when the process gets a signal.
package struct SignalAction: Equatable, @unchecked Sendable {  // Isolation: constant
  private var action = sigaction()

  /// What happens now.
  package init(of signal: Int32) { sigaction(signal, nil, &action) }

  /// Whether a function is called, and the signal is neither ignored nor has its default effect.
  package var callsHandler: Bool { !isDefault && address != unsafeBitCast(SIG_IGN, to: UInt.self) }

  /// Whether the signal has its default effect.
  var isDefault: Bool { address == unsafeBitCast(SIG_DFL, to: UInt.self) }

  /// Of the function, or one of the two that are none.
  private var address: UInt { SignalCalls.handlerAddress(action) }

  package static func == (left: SignalAction, right: SignalAction) -> Bool { left.address == right.address }
}
