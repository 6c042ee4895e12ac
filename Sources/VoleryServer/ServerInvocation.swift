import Synchronization
public import VoleryTypes

/// A call as server interceptors see it: before its handler, while it runs, and after it. What is said of a call that is over
/// goes nowhere.
public struct ServerInvocation: Sendable {
  let call: ServerCall
  let interception: ServerInterception

  // MARK: Before the handler

  /// The method that was called; of one that the server has not, its name as the client sent it (200 bytes at most).
  public var method: MethodDescriptor { call.method }

  /// What the handler knows of the call: the client, the deadline, whether it is cancelled, and what is sent besides the
  /// response.
  public var context: ServerContext { ServerContext(call) }

  /// What the client sent, as the handler sees it; changing it after `next` does nothing.
  public var metadata: Metadata {
    get { interception.state.withLock { $0.metadata } }
    nonmutating set { interception.state.withLock { $0.metadata = newValue } }
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
    interception.state.withLock { $0.requestHooks.append(hook) }
  }

  /// The same for each response on its way out: the hook of an interceptor that stands before another one sees it last.
  public func onResponse(_ hook: @escaping @Sendable (inout InterceptedMessage) throws -> Void) {
    interception.state.withLock { $0.responseHooks.prepend(hook) }
  }

  /// Answers in the handler's place, without `next`: once for a method whose server does not stream, else any number of
  /// times. The call ends with OK when `intercept` returns.
  ///
  /// - Parameter bytes: A message of the method's response type, serialized.
  public func respond(bytes: [UInt8]) {
    interception.state.withLock { $0.hasAnswered = true }
    var sink = MessageSink()
    sink.write(bytes)
    send(sink.finish())
  }

  /// The same with a message that knows its bytes.
  ///
  /// - Throws: What its serializer throws.
  public func respond(_ message: some WireMessage) throws {
    interception.state.withLock { $0.hasAnswered = true }
    var sink = MessageSink()
    try message.serialize(into: &sink)
    send(sink.finish())
  }

  private func send(_ frame: MessageFrame) {
    if call.hasOneResponse { interception.held.withLock { $0.response = frame } } else { call.sendResponse(frame) }
  }

  // MARK: Going on

  /// The rest of a call, from an interceptor's point of view.
  public struct Next: Sendable {
    let invocation: ServerInvocation
    let index: Int

    /// Runs the interceptors behind this one and the handler, to its end. Once.
    ///
    /// - Throws: What they throw.
    public func callAsFunction() async throws {
      let interception = invocation.interception
      guard interception.state.withLock({ $0.goOn(index) }) else {
        throw invocation.call.answer(to: .twice, by: interception.interceptors[index])
      }
      try await invocation.run(from: index + 1)
    }
  }

  func run(from index: Int) async throws {
    let interceptors = interception.interceptors
    guard index < interceptors.count else {
      await runMethod()
      if let error = interception.held.withLock({ $0.error.take() }) { throw error }
      return
    }
    try await interceptors[index].intercept(self, Next(invocation: self, index: index))
    guard interception.state.withLock({ $0.mayReturn(index) }) else {
      throw call.answer(to: .neither, by: interceptors[index])
    }
  }

  private func runMethod() async {
    guard let deadline = interception.held.withLock({ $0.deadline }) else { return await call.runMethod() }
    await CallScope.$deadline.withValue(deadline) { await call.runMethod() }
  }
}

/// What a call's interceptors have said, and what its handler has come to until they have come to an end. Any thread.
final class ServerInterception: Sendable {
  struct Held {
    /// The one response of a method whose server does not stream.
    var response: MessageFrame?
    /// What the handler has thrown.
    var error: (any Error)?
    /// An earlier one than the client's.
    var deadline: Deadline?
  }

  let interceptors: [any ServerInterceptor]
  let state: Mutex<Interception>
  let held = Mutex(Held())

  init(_ interceptors: [any ServerInterceptor], metadata: Metadata) {
    self.interceptors = interceptors
    state = Mutex(Interception(metadata: metadata))
  }

  /// A request as the interceptors leave it.
  func request<Message>(_ bytes: [UInt8], _ serializer: Serializer<Message>) throws -> [UInt8] {
    let hooks = state.withLock { $0.requestHooks }
    guard !hooks.isEmpty else { return bytes }
    var message = InterceptedMessage(bytes: bytes, serializer)
    try hooks.apply(to: &message)
    return try message.bytes()
  }

  /// A response as the interceptors leave it; nil: as it is.
  func response<Message: Sendable>(_ response: Message, _ serializer: Serializer<Message>) throws -> [UInt8]? {
    let hooks = state.withLock { $0.responseHooks }
    guard !hooks.isEmpty else { return nil }
    var message = InterceptedMessage(value: response, serializer)
    try hooks.apply(to: &message)
    return try message.bytes()
  }
}
