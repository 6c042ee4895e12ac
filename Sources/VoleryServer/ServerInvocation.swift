import Synchronization
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

  /// The same for each response on its way out: the hook of an interceptor that stands before another one sees it last.
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

/// What a call's interceptors have said. Any thread: most of it is asked without a lock. Part of the call; takes an object of its
/// own only where they change something.
struct ServerInterception: ~Copyable, Sendable {
  final class Changes: Sendable {
    struct Fields {
      /// Of the request, where somebody has changed it.
      var metadata: Metadata?
      var requestHooks = MessageHooks()
      var responseHooks = MessageHooks()
      /// An earlier one than the client's.
      var deadline: Deadline?
    }

    let fields = Mutex(Fields())
  }

  /// What has been said.
  enum Mark {
    static let metadata: UInt8 = 1
    static let requestHooks: UInt8 = 2
    static let responseHooks: UInt8 = 4
    /// One of them has answered by itself.
    static let answer: UInt8 = 8
    static let deadline: UInt8 = 16
  }

  private let changes = AtomicLazyReference<Changes>()
  private let marks = Atomic<UInt8>(0)
  /// A bit for each one that has gone on.
  private let goneOn = Atomic<UInt64>(0)

  private func has(_ mark: UInt8) -> Bool { marks.load(ordering: .acquiring) & mark != 0 }

  private func change(_ mark: UInt8, _ change: (inout Changes.Fields) -> Void) {
    let changes = changes.load() ?? changes.storeIfNil(Changes())
    changes.fields.withLock { change(&$0) }
    marks.bitwiseOr(mark, ordering: .releasing)
  }

  private func fields() -> Changes.Fields { changes.load()?.fields.withLock { $0 } ?? Changes.Fields() }

  // MARK: Going on

  /// The interceptor with this number goes on. Returns false when it has before.
  func goOn(_ index: Int) -> Bool {
    let bit: UInt64 = 1 &<< UInt64(index)
    return goneOn.bitwiseOr(bit, ordering: .relaxed).oldValue & bit == 0
  }

  /// Whether the interceptor with this number may return: it has gone on, or somebody has answered.
  func mayReturn(_ index: Int) -> Bool {
    goneOn.load(ordering: .relaxed) & 1 &<< UInt64(index) != 0 || has(Mark.answer)
  }

  func answered() { marks.bitwiseOr(Mark.answer, ordering: .releasing) }

  // MARK: Deadline, metadata and messages

  /// Nil: as the client has it.
  var deadline: Deadline? { has(Mark.deadline) ? fields().deadline : nil }

  /// Returns whether this is earlier than the deadline that holds: the client's, or the one that was said here before.
  func end(by deadline: Deadline, insteadOf clientDeadline: Deadline) -> Bool {
    var isEarlier = false
    change(Mark.deadline) { fields in
      isEarlier = deadline < fields.deadline ?? clientDeadline
      if isEarlier { fields.deadline = deadline }
    }
    return isEarlier
  }

  /// Nil: as the client has sent it.
  var metadata: Metadata? {
    get { has(Mark.metadata) ? fields().metadata : nil }
    nonmutating set { change(Mark.metadata) { $0.metadata = newValue } }
  }

  func addRequestHook(_ hook: @escaping MessageHooks.Hook) {
    change(Mark.requestHooks) { $0.requestHooks.append(hook) }
  }

  func addResponseHook(_ hook: @escaping MessageHooks.Hook) {
    change(Mark.responseHooks) { $0.responseHooks.prepend(hook) }
  }

  var hasRequestHooks: Bool { has(Mark.requestHooks) }
  var hasResponseHooks: Bool { has(Mark.responseHooks) }

  /// A request as the interceptors leave it.
  func request<Message>(_ bytes: [UInt8], _ serializer: Serializer<Message>) throws -> [UInt8] {
    let hooks = fields().requestHooks
    var message = InterceptedMessage(bytes: bytes, serializer)
    try hooks.apply(to: &message)
    return try message.bytes()
  }

  /// A response as the interceptors leave it.
  func response<Message: Sendable>(_ response: Message, _ serializer: Serializer<Message>) throws -> [UInt8] {
    let hooks = fields().responseHooks
    var message = InterceptedMessage(value: response, serializer)
    try hooks.apply(to: &message)
    return try message.bytes()
  }
}
