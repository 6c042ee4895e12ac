import Synchronization
import VoleryTransport
public import VoleryTypes

/// A call as client interceptors see it: before it starts, while it runs, and after its end. For the interceptor whose turn
/// it is; what it says of a call that is over goes nowhere.
public struct ClientInvocation: Sendable {
  let call: ClientCall
  /// Nil around a call.
  let interceptedAttempt: InterceptedAttempt?

  @usableFromInline init(_ call: ClientCall) {
    self.call = call
    interceptedAttempt = nil
  }

  init(_ attempt: InterceptedAttempt) {
    call = attempt.call
    interceptedAttempt = attempt
  }

  @inline(__always) private func withInterception<Result: ~Copyable>(
    _ body: (borrowing ClientInterception) throws -> Result
  ) rethrows -> Result {
    if let interceptedAttempt { try body(interceptedAttempt.interception) } else { try body(call.interception) }
  }

  private func change(_ body: (inout ClientInterception.Changes) -> Void) {
    withInterception { $0.change { body(&$0) } }
  }

  /// The method that is called.
  public var method: MethodDescriptor { call.method }

  /// Around an attempt: its number, 1 for the first. Nil around a call.
  public var attempt: Int? { interceptedAttempt?.number }

  // MARK: Before the call

  /// What is sent before the first message; changing it after `next` does nothing.
  public var metadata: Metadata {
    get { withInterception { $0.hasChanges ? $0.changes?.metadata : nil } ?? givenMetadata }
    nonmutating set { change { $0.metadata = newValue } }
    nonmutating _modify {
      // Taken out, so that it is changed in place.
      var metadata = withInterception { $0.change { $0.takeMetadata() } } ?? givenMetadata
      defer { self.metadata = metadata }
      yield &metadata
    }
  }

  private var givenMetadata: Metadata { interceptedAttempt == nil ? call.givenMetadata : call.metadata }

  /// When the call has to be over; changing it after `next` does nothing. Around an attempt it is the call's, and can't be
  /// changed.
  public var deadline: Deadline {
    get { call.deadline }
    nonmutating set {
      guard interceptedAttempt == nil else { return }
      call.setDeadline(newValue)
      call.startDeadlineTimer(on: call.channel.loop)
    }
  }

  /// The server: around a call, that of its last attempt, nil before the first one.
  public var peer: Peer? { if let interceptedAttempt { interceptedAttempt.peer } else { call.peer } }

  /// `:authority`, the name by which the server is called.
  public var authority: String { call.authority }

  // MARK: Messages

  /// The type of the interceptor whose turn it is.
  private var holder: (any ClientInterceptor.Type)? { withInterception { $0.heldBy } }

  /// Sees each request on its way out, and may replace it; what it throws ends the call. The hook of an interceptor that
  /// stands before another one sees a request first. Say it before `next`.
  public func onRequest(_ hook: @escaping @Sendable (inout InterceptedMessage) throws -> Void) {
    let interceptor = holder
    change { $0.requestHooks.append(hook, of: interceptor) }
  }

  /// Called once, when there are no more requests: behind the last one's hooks. Say it before `next`; where the caller of a stream has
  /// come to its end before, it is called at once.
  public func onRequestsEnd(_ hook: @escaping @Sendable () -> Void) {
    if withInterception({ $0.change { $0.requestsEnd.add(hook) } }) { hook() }
  }

  /// Called once, when there are no more responses for the caller, or the call has failed: behind the last one's hooks. Of a stream's
  /// that is when the caller has come to its end, which may be after `next` has returned; a caller who does not read to the end
  /// never comes there. Say it before `next`.
  public func onResponsesEnd(_ hook: @escaping @Sendable () -> Void) {
    if withInterception({ $0.change { $0.responsesEnd.add(hook) } }) { hook() }
  }

  /// Sees the server's initial metadata as soon as they are here, before the caller does, and may change what that gets: a stream's
  /// caller has them long before `next` returns. The hook of an interceptor that stands before another one sees them last. Not called
  /// for an answer that is nothing but a status; around a call that is hedged, once for each attempt that answers. On the connection's
  /// loop: must not block. Say it before `next`.
  public func onInitialMetadata(_ hook: @escaping @Sendable (inout Metadata, Peer) -> Void) {
    change { $0.initialMetadataHooks.insert(hook, at: 0) }
  }

  /// As `onRequest`, for each response on its way in: the hook of an interceptor that stands before another one sees it last.
  public func onResponse(_ hook: @escaping @Sendable (inout InterceptedMessage) throws -> Void) {
    let interceptor = holder
    change { $0.responseHooks.prepend(hook, of: interceptor) }
  }

  /// Answers in the server's place, without `next`: once for a method whose server does not stream, else any number of
  /// times. The call ends with OK when `intercept` returns.
  ///
  /// - Throws: `StatusError` INTERNAL where the method's responses are of another type, FAILED_PRECONDITION around an attempt.
  public func respond(_ message: some Sendable) throws(StatusError) {
    guard interceptedAttempt == nil else {
      throw StatusError(.failedPrecondition, "an interceptor can't answer around an attempt, only around the call")
    }
    try call.answered(by: message)
  }

  // MARK: After the call

  /// What the server sent before its first message; empty until it has. Set it to change what the caller sees.
  public var initialMetadata: Metadata {
    get { withInterception { $0.changes?.initialMetadata } ?? receivedInitialMetadata }
    nonmutating set { change { $0.initialMetadata = newValue } }
  }

  /// What the server sent with its status; empty until it has. Set it to change what the caller sees.
  public var trailingMetadata: Metadata {
    get { withInterception { $0.changes?.trailingMetadata } ?? receivedTrailingMetadata }
    nonmutating set { change { $0.trailingMetadata = newValue } }
  }

  private var receivedInitialMetadata: Metadata {
    interceptedAttempt?.initialMetadata ?? call.withState { $0.incoming.metadata } ?? Metadata()
  }

  private var receivedTrailingMetadata: Metadata {
    interceptedAttempt?.trailingMetadata ?? call.withState { $0.outcome?.trailingMetadata } ?? Metadata()
  }

  // MARK: Going on

  /// The rest of a call, from an interceptor's point of view.
  public struct Next: Sendable {
    let invocation: ClientInvocation
    let index: Int

    @usableFromInline init(_ invocation: ClientInvocation, index: Int) {
      self.invocation = invocation
      self.index = index
    }

    // One function, and nothing in it that waits but what has to: each interceptor of each call comes through here.

    /// Runs the interceptors behind this one and the call, to its end. Once. Of a call whose server streams that is when its last
    /// response and the status are here: the caller may have read none of it yet (`onResponsesEnd` says when it has).
    ///
    /// - Throws: `StatusError`: how the call ended, if not with OK.
    public func callAsFunction() async throws {
      if !invocation.isLast(index) {
        try await invocation.runInterceptor(behind: index)
      } else if let attempt = invocation.interceptedAttempt {
        try await attempt.run(from: index)
      } else {
        let call = invocation.call
        try call.goOn(from: index)
        await withTaskCancellationHandler {
          await withUnsafeContinuation { call.wakeInterceptors($0) }
        } onCancel: {
          call.cancel()
        }
        try call.isBack(at: index)
      }
    }
  }

  private func isLast(_ index: Int) -> Bool { withInterception { $0.isLast(index) } }

  /// All but the first one, who is run where the call is made.
  @inline(__always) private func runInterceptor(behind index: Int) async throws {
    let next = index + 1
    let interceptor = try withInterception { interception in
      guard interception.goOn(index) else {
        throw Interception.error(.twice, by: interception[index])
      }
      return interception[next]
    }
    interceptedAttempt?.noteHolder()
    do {
      try await interceptor.intercept(self, Next(self, index: next))
    } catch {
      isBack(at: index)
      throw Interception.failure(error, by: type(of: interceptor))
    }
    isBack(at: index)
    guard withInterception({ $0.mayReturn(next) }) else { throw Interception.error(.neither, by: interceptor) }
  }

  private func isBack(at index: Int) {
    withInterception { $0.isBack(at: index) }
    interceptedAttempt?.noteHolder()
  }
}
