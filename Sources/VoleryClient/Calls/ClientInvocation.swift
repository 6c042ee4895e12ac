import Synchronization
public import VoleryTypes

/// A call as client interceptors see it: before it starts, while it runs, and after its end. For the interceptor whose turn
/// it is; what it says of a call that is over goes nowhere.
public class ClientInvocation: @unchecked Sendable {  // Isolation: constant
  /// The method that is called.
  public let method: MethodDescriptor
  /// Around an attempt: its number, 1 for the first. Nil around a call.
  public let attempt: Int?
  let interceptors: [any ClientInterceptor]
  let state: Mutex<Interception>

  init(method: MethodDescriptor, metadata: Metadata, attempt: Int?, interceptors: [any ClientInterceptor]) {
    self.method = method
    self.attempt = attempt
    self.interceptors = interceptors
    state = Mutex(Interception(metadata: metadata))
  }

  // MARK: Before the call

  /// What is sent before the first message; changing it after `next` does nothing.
  public var metadata: Metadata {
    get { state.withLock { $0.metadata } }
    set { state.withLock { $0.metadata = newValue } }
    _modify {
      var metadata = state.withLock { state in
        defer { state.metadata = Metadata() }
        return state.metadata
      }
      defer { state.withLock { $0.metadata = metadata } }
      yield &metadata
    }
  }

  /// When the call has to be over; changing it after `next` does nothing. Around an attempt it is the call's, and can't be
  /// changed.
  public var deadline: Deadline {
    get { .none }
    set {}
  }

  /// The server: around a call, that of its last attempt, nil before the first one.
  public var peer: Peer? { nil }

  // MARK: Messages

  /// Sees each request on its way out, and may replace it; what it throws ends the call. The hook of an interceptor that
  /// stands before another one sees a request first. Say it before `next`.
  public func onRequest(_ hook: @escaping @Sendable (inout InterceptedMessage) throws -> Void) {
    state.withLock { $0.requestHooks.append(hook) }
  }

  /// The same for each response on its way in: the hook of an interceptor that stands before another one sees it last.
  public func onResponse(_ hook: @escaping @Sendable (inout InterceptedMessage) throws -> Void) {
    state.withLock { $0.responseHooks.prepend(hook) }
  }

  /// Answers in the server's place, without `next`: once for a method whose server does not stream, else any number of
  /// times. The call ends with OK when `intercept` returns.
  ///
  /// - Throws: `StatusError` INTERNAL where the method's responses are of another type, FAILED_PRECONDITION around an attempt.
  public func respond(_ message: some Sendable) throws(StatusError) {
    throw StatusError(.failedPrecondition, "an interceptor can't answer around an attempt, only around the call")
  }

  // MARK: After the call

  /// What the server sent before its first message; empty until it has. Set it to change what the caller sees.
  public var initialMetadata: Metadata {
    get { state.withLock { $0.initialMetadata } ?? receivedInitialMetadata }
    set { state.withLock { $0.initialMetadata = newValue } }
  }

  /// What the server sent with its status; empty until it has. Set it to change what the caller sees.
  public var trailingMetadata: Metadata {
    get { state.withLock { $0.trailingMetadata } ?? receivedTrailingMetadata }
    set { state.withLock { $0.trailingMetadata = newValue } }
  }

  var receivedInitialMetadata: Metadata { Metadata() }
  var receivedTrailingMetadata: Metadata { Metadata() }

  // MARK: Going on

  /// The rest of a call, from an interceptor's point of view.
  public struct Next: Sendable {
    let invocation: ClientInvocation
    let index: Int

    /// Runs the interceptors behind this one and the call, to its end. Once.
    ///
    /// - Throws: How the call ended, if not with OK.
    public func callAsFunction() async throws {
      guard invocation.state.withLock({ $0.goOn(index) }) else {
        throw Interception.error(.twice, by: invocation.interceptors[index])
      }
      defer { invocation.isHeld(by: index) }
      try await invocation.run(from: index + 1)
    }
  }

  /// Runs the interceptors from this one on, and the call.
  func run(from index: Int) async throws {
    guard index < interceptors.count else { return try await proceed() }
    isHeld(by: index)
    try await interceptors[index].intercept(self, Next(invocation: self, index: index))
    guard state.withLock({ $0.mayReturn(index) }) else {
      throw Interception.error(.neither, by: interceptors[index])
    }
  }

  /// What is there behind the last interceptor: the call, to its end.
  func proceed() async throws(StatusError) {}

  /// The one that has to answer for it if the call's time is up.
  func isHeld(by index: Int) {}

  /// What an interceptor, or the call, has thrown.
  func outcome(of error: any Error) -> StatusError {
    switch error {
    case let error as StatusError: error
    case is CancellationError: StatusError(.cancelled, "an interceptor was cancelled")
    default: StatusError(.unknown, "an interceptor has failed: \(error)")
    }
  }
}
