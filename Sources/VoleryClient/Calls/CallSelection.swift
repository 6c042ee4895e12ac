import Synchronization
import VoleryLoadBalancing
import VoleryTypes

/// What a channel's config selector has said of one call.
final class CallSelection: Sendable {
  private let answer: Result<CallConfiguration.Selected, StatusError>
  private let isCommitted = Atomic<Bool>(false)

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
    guard let committed = selected?.configuration.committed,
      !isCommitted.exchange(true, ordering: .relaxed)
    else { return }
    committed()
  }

  deinit { commit() }
}
