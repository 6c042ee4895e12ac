public import VoleryTypes

/// A call as server interceptors see it: before its handler, while it runs, and after it. What is said of a call that is over
/// goes nowhere.
public struct ServerInvocation: Sendable {
  let call: ServerCall

  // MARK: Before the handler

  /// The method that was called; of one that the server has not, its name as the client sent it (200 bytes at most).
  public var method: MethodDescriptor { call.method }

  /// What the handler knows of the call: the client, the deadline, whether it is cancelled, and what is sent besides the
  /// response.
  public var context: ServerContext { ServerContext(call) }

  /// What the client sent, as the handler sees it; changing it after `next` does nothing.
  public var metadata: Metadata {
    get { call.metadata }
    nonmutating set { call.interception.metadata = newValue }
  }

  /// When the call has to be over. Setting an earlier one holds for the handler, and for the calls that it makes; a later one
  /// than the client's changes nothing: nobody would be there any more.
  public var deadline: Deadline {
    get { call.deadline }
    nonmutating set { call.end(by: newValue) }
  }

  /// The client's end of the connection.
  public var peer: Peer { call.peer }

  // MARK: Messages

  /// Sees each request on its way in, and may replace it; what it throws ends the call. The hook of an interceptor that stands
  /// before another one sees a request first. Say it before `next`.
  public func onRequest(_ hook: @escaping @Sendable (inout InterceptedMessage) throws -> Void) {
    call.interception.addRequestHook(hook)
  }

  /// Called once, when the handler has come to the end of the requests: behind the last one's hooks. Say it before `next`.
  public func onRequestsEnd(_ hook: @escaping @Sendable () -> Void) {
    if call.interception.addRequestsEndHook(hook) { hook() }
  }

  /// The same as `onRequest` for each response on its way out: the hook of an interceptor that stands before another one sees it last.
  public func onResponse(_ hook: @escaping @Sendable (inout InterceptedMessage) throws -> Void) {
    call.interception.addResponseHook(hook)
  }

  /// Answers in the handler's place, without `next`: once for a method whose server does not stream, else any number of
  /// times. The call ends with OK when `intercept` returns.
  ///
  /// - Parameter bytes: A message of the method's response type, serialized.
  public func respond(bytes: [UInt8]) {
    var sink = MessageSink()
    sink.write(bytes)
    answer(sink.finish())
  }

  /// The same with a message that knows its bytes.
  ///
  /// - Throws: What its serializer throws.
  public func respond(_ message: some WireMessage) throws {
    var sink = MessageSink()
    try message.serialize(into: &sink)
    answer(sink.finish())
  }

  private func answer(_ frame: MessageFrame) {
    call.interception.answered()
    if call.hasOneResponse { call.hold(frame) } else { call.sendResponse(frame) }
  }

  // MARK: Going on

  // A client's walk through its list has the same shape and is written apart: it ends with a wait for what the loop does, and
  // keeps book of whose turn it is, which an error at the deadline names; here the handler runs at the end, in the same task. One
  // for both would be generic over the two kinds of interceptor, and longer than either; what they share are their faults
  // (`Interception`) and the hooks for messages.

  /// The rest of a call, from an interceptor's point of view.
  public struct Next: Sendable {
    let call: ServerCall
    let index: Int

    /// Runs the interceptors behind this one and the handler, to its end. Once.
    ///
    /// - Throws: What they throw.
    public func callAsFunction() async throws {
      guard call.interception.goOn(index) else { throw call.answer(to: .twice, by: call.entry.interceptors[index]) }
      // All at the end: each wait that does not end its function costs a look at where the task should run.
      if index + 1 < call.entry.interceptors.count {
        try await call.runInterceptor(index + 1)
      } else if let deadline = call.interception.deadline {
        try await CallScope.$deadline.withValue(deadline) { try await call.entry.handler.run(call) }
      } else {
        try await call.entry.handler.run(call)
      }
    }
  }
}

extension ServerCall {
  /// All but the first one, whose end is looked at when it is known what becomes of the call.
  fileprivate func runInterceptor(_ index: Int) async throws {
    try await entry.interceptors[index].intercept(
      ServerInvocation(call: self), ServerInvocation.Next(call: self, index: index))
    guard interception.mayReturn(index) else { throw answer(to: .neither, by: entry.interceptors[index]) }
  }
}

// After the handler.
extension ServerInvocation {
  /// What the client is told where the call ends with this error; nil: the handler has returned. As the rules of
  /// `MethodHandler` have it: a `StatusError` that was made here is told as it is, anything else is UNKNOWN. A call that was
  /// over before (the client has cancelled, its deadline has passed, the server's time to drain has) has ended with that.
  ///
  /// For interceptors that log or count: what is in front of them may still say something else.
  public func status(for error: (any Error)?) -> Status {
    if let code = call.endedBy { return Status(code: code) }
    switch error {
    case nil: return .ok
    case let error as StatusError where error.origin == .local: return error.status
    case is CancellationError: return Status(code: .cancelled)
    default: return Status(code: .unknown)
    }
  }
}
