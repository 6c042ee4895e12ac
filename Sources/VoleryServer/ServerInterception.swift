import Synchronization
import VoleryTypes

/// What a call's interceptors have said. Any thread: most of it is asked without a lock. Part of the call; takes an object of its
/// own only where they change something.
struct ServerInterception: ~Copyable, Sendable {
  final class Changes: Sendable {
    struct Fields {
      /// Of the request, where somebody has changed it.
      var metadata: Metadata?
      var requestHooks = MessageHooks()
      var responseHooks = MessageHooks()
      var requestsEnd = MessagesEnd()
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
    static let requestsEnd: UInt8 = 32
    /// The handler has thrown.
    static let failure: UInt8 = 64
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

  /// Those that go on come before it: the first one that has not, if there is one, has the call.
  func firstThatHasNotGoneOn(of count: Int) -> Int? {
    // Where one has answered, any of those before it may have the call again.
    guard !has(Mark.answer) else { return nil }
    let goneOn = goneOn.load(ordering: .relaxed)
    return (0..<count).first { goneOn & 1 &<< UInt64($0) == 0 }
  }

  /// The handler has thrown.
  func handlerFailed() { marks.bitwiseOr(Mark.failure, ordering: .releasing) }

  var hasHandlerFailed: Bool { has(Mark.failure) }

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

  /// Returns whether it is to be called now.
  func addRequestsEndHook(_ hook: @escaping MessagesEnd.Hook) -> Bool {
    var isNow = false
    change(Mark.requestsEnd) { isNow = $0.requestsEnd.add(hook) }
    return isNow
  }

  /// The handler has come to the end of the requests.
  func requestsEnded() {
    guard has(Mark.requestsEnd) else { return }
    var hooks: [MessagesEnd.Hook] = []
    change(Mark.requestsEnd) { hooks = $0.requestsEnd.come() }
    for hook in hooks { hook() }
  }

  /// Also for hooks at their end, which comes behind the only request where there can be no other.
  var hasRequestHooks: Bool { has(Mark.requestHooks | Mark.requestsEnd) }
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
