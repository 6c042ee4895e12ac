import Synchronization
public import VoleryTypes

/// A call as client interceptors see it: before it starts, while it runs, and after its end. For the interceptor whose turn
/// it is; what it says of a call that is over goes nowhere.
public class ClientInvocation: @unchecked Sendable {  // Isolation: constant
  /// The method that is called.
  public final let method: MethodDescriptor
  /// Around an attempt: its number, 1 for the first. Nil around a call.
  public final let attempt: Int?
  /// From the outside in; at least one.
  final let interceptors: [any ClientInterceptor]
  final let state: Mutex<Interception>

  init(method: MethodDescriptor, metadata: Metadata, attempt: Int?, interceptors: [any ClientInterceptor]) {
    self.method = method
    self.attempt = attempt
    self.interceptors = interceptors
    state = Mutex(Interception(metadata: metadata))
  }

  // MARK: Before the call

  /// What is sent before the first message; changing it after `next` does nothing.
  public final var metadata: Metadata {
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
  public final func onRequest(_ hook: @escaping @Sendable (inout InterceptedMessage) throws -> Void) {
    state.withLock { $0.requestHooks.append(hook) }
  }

  /// The same for each response on its way in: the hook of an interceptor that stands before another one sees it last.
  public final func onResponse(_ hook: @escaping @Sendable (inout InterceptedMessage) throws -> Void) {
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
  public final var initialMetadata: Metadata {
    get { state.withLock { $0.initialMetadata } ?? receivedInitialMetadata }
    set { state.withLock { $0.initialMetadata = newValue } }
  }

  /// What the server sent with its status; empty until it has. Set it to change what the caller sees.
  public final var trailingMetadata: Metadata {
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

    // One function, and nothing in it that waits but what has to: each interceptor of each call comes through here.

    /// Runs the interceptors behind this one and the call, to its end. Once.
    ///
    /// - Throws: How the call ended, if not with OK.
    public func callAsFunction() async throws {
      let next = index + 1
      if next < invocation.interceptors.count {
        try invocation.goOn(index)
        do {
          try await invocation.interceptors[next].intercept(invocation, Next(invocation: invocation, index: next))
        } catch {
          invocation.isBack(at: index)
          throw error
        }
        try invocation.returned(next)
      } else {
        try invocation.begin(from: index)
        await withTaskCancellationHandler {
          await withUnsafeContinuation { waiter in
            if !invocation.waits(waiter) { waiter.resume() }
          }
        } onCancel: {
          invocation.cancelled()
        }
        try invocation.ended(backAt: index)
      }
    }
  }

  /// Runs the interceptors, and the call behind them.
  @inline(__always) final func runAll() async throws {
    isHeld(by: 0)
    try await interceptors[0].intercept(self, Next(invocation: self, index: 0))
    try returned(0)
  }

  private final func goOn(_ index: Int) throws {
    guard state.withLock({ $0.goOn(index) }) else { throw Interception.error(.twice, by: interceptors[index]) }
    isHeld(by: index + 1)
  }

  /// The interceptor with this number has returned.
  private final func returned(_ index: Int) throws {
    let mayReturn = state.withLock { state in
      if index > 0 { state.isBack(at: index - 1) }
      return state.mayReturn(index)
    }
    if index > 0 { isHeld(by: index - 1) }
    guard mayReturn else { throw Interception.error(.neither, by: interceptors[index]) }
  }

  /// What is behind the interceptor with this number has ended.
  final func isBack(at index: Int) {
    state.withLock { $0.isBack(at: index) }
    isHeld(by: index)
  }

  // MARK: What is behind the last interceptor

  /// The last interceptor, which has this number, goes on: starts the call.
  func begin(from index: Int) throws(StatusError) {}

  /// Registers who waits for the end of what `begin` has started; false: it has ended.
  func waits(_ waiter: UnsafeContinuation<Void, Never>) -> Bool { false }

  /// Whoever waits for it has been cancelled.
  func cancelled() {}

  /// It has ended: it is the turn of the last interceptor again, which has this number.
  ///
  /// - Throws: How, if not with OK.
  func ended(backAt index: Int) throws(StatusError) {}

  /// It is this one's turn; behind the last one it is the call's.
  func isHeld(by index: Int) {}

  /// What an interceptor, or the call, has thrown.
  final func outcome(of error: any Error) -> StatusError {
    switch error {
    case let error as StatusError: error
    case is CancellationError: StatusError(.cancelled, "an interceptor was cancelled")
    default: StatusError(.unknown, "an interceptor has failed: \(error)")
    }
  }
}
