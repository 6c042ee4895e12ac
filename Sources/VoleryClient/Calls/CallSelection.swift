import Synchronization
import VoleryLoadBalancing
import VoleryTypes

/// What a channel's config selector has said of one call.
final class CallSelection: Sendable {
  private let answer: Result<CallConfiguration.Selected, StatusError>
  private let isCommitted = Atomic<Bool>(false)
  private let isDelayed = Atomic<Bool>(false)
  private let isDelayOver = Atomic<Bool>(false)

  init(_ selector: any ConfigSelector, _ method: MethodDescriptor, _ metadata: Metadata) {
    do throws(StatusError) {
      let request = ConfigSelectorRequest(method: method, metadata: metadata)
      answer = .success(CallConfiguration.Selected(try selector.configuration(of: request)))
    } catch {
      answer = .failure(DataPlane.fromControlPlane(error, "config selector"))
    }
  }

  /// For pickers.
  var selected: CallConfiguration.Selected? { try? answer.get() }
  var methodConfig: MethodConfig? { selected?.configuration.methodConfig }
  var metadata: Metadata? { selected?.configuration.metadata }
  /// What the call ends with.
  var failure: StatusError? { if case .failure(let error) = answer { error } else { nil } }

  /// No other server can follow; at the latest when the call is gone.
  func commit() {
    endDelay()
    guard let committed = selected?.configuration.committed,
      !isCommitted.exchange(true, ordering: .relaxed)
    else { return }
    committed()
  }

  /// What is to go wrong with a call before it looks for a server (gRFC A33).
  enum Fault {
    case none
    case fail(StatusError)
    /// To wait so long; `endDelay` says what follows.
    case wait(Duration)
  }

  /// To be asked before the call begins; nothing goes wrong twice.
  func takeFault() -> Fault {
    guard let fault = selected?.configuration.injectedFault, !isDelayed.exchange(true, ordering: .relaxed) else {
      return .none
    }
    if fault.delay > .zero { return .wait(fault.delay) }
    return endDelay().map(Fault.fail) ?? .none
  }

  /// The delay has passed, or the call is over. Returns what the call ends with.
  @discardableResult func endDelay() -> StatusError? {
    guard let fault = selected?.configuration.injectedFault, !isDelayOver.exchange(true, ordering: .relaxed) else {
      return nil
    }
    fault.isOver?()
    return fault.failure
  }

  deinit { commit() }
}
