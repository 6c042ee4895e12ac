import Synchronization
import VoleryTypes

/// The interceptors around a call, or around an attempt; whose turn it is, and what they have said. A part of what they stand
/// around: takes an object of its own only where they change something. Any thread.
struct ClientInterception: ~Copyable, Sendable {
  /// What they have said.
  struct Changes {
    /// Of the request; nil: as it was.
    var metadata: Metadata?
    /// Nil: as the server has sent it.
    var initialMetadata: Metadata?
    var trailingMetadata: Metadata?
    /// As the server's initial metadata come to them.
    var initialMetadataHooks: [@Sendable (inout Metadata, Peer) -> Void] = []
    var requestHooks = MessageHooks()
    var responseHooks = MessageHooks()
    var requestsEnd = MessagesEnd()
    var responsesEnd = MessagesEnd()
    /// One of them has answered by itself.
    var hasAnswered = false
    /// The request could not be serialized, which counts when they go on.
    var requestFailure: (any Error)?

    /// For a change in place.
    mutating func takeMetadata() -> Metadata? {
      guard let taken = metadata else { return nil }
      metadata = Metadata()
      return taken
    }
  }

  final class Record: Sendable {
    let changes = Mutex(Changes())
  }

  /// From the outside in. Nil: nobody stands there; most calls have no reference to count for it.
  private let interceptors: [any ClientInterceptor]?
  /// Nil as long as nothing is changed.
  private let record = OnceReference<Record>()
  /// A bit for each one that has gone on.
  private let goneOn = Atomic<UInt64>(0)
  /// The number of the one whose turn it is, or how many there are while it is that of what is behind them.
  private let holder = Atomic<Int>(0)

  init(_ interceptors: [any ClientInterceptor]) { self.interceptors = interceptors.isEmpty ? nil : interceptors }

  var isEmpty: Bool { interceptors == nil }

  /// From the outside in, from 0.
  subscript(index: Int) -> any ClientInterceptor {
    guard let interceptors else { preconditionFailure("nobody stands around the call") }
    return interceptors[index]
  }

  func isLast(_ index: Int) -> Bool { index + 1 == interceptors?.count }

  // MARK: Turns

  /// The interceptor with this number goes on. Returns false when it has before.
  func goOn(_ index: Int) -> Bool {
    let bit: UInt64 = 1 &<< UInt64(index)
    guard goneOn.bitwiseOr(bit, ordering: .relaxed).oldValue & bit == 0 else { return false }
    holder.store(index + 1, ordering: .relaxed)
    return true
  }

  /// What is behind the interceptor with this number is over.
  func isBack(at index: Int) { holder.store(index, ordering: .relaxed) }

  /// Whether the interceptor with this number may return: it has gone on, or somebody has answered.
  func mayReturn(_ index: Int) -> Bool {
    goneOn.load(ordering: .relaxed) & 1 &<< UInt64(index) != 0 || changes?.hasAnswered == true
  }

  /// The type of the one whose turn it is; nil: none of them has it.
  var heldBy: (any ClientInterceptor.Type)? {
    let index = holder.load(ordering: .relaxed)
    guard let interceptors, index < interceptors.count else { return nil }
    return type(of: interceptors[index])
  }

  // MARK: What they have said

  var hasChanges: Bool { record.load() != nil }

  /// A copy; nil: they have said nothing.
  var changes: Changes? { record.load()?.changes.withLock { $0 } }

  /// They have something to say of how the call has ended, other than by throwing.
  var changesOutcome: Bool {
    record.load()?.changes.withLock { $0.initialMetadata != nil || $0.trailingMetadata != nil } ?? false
  }

  func change<Result: Sendable>(_ body: (inout Changes) -> Result) -> Result {
    let record = record.load() ?? record.storeIfNil(Record())
    return record.changes.withLock { body(&$0) }
  }

  /// There are no more requests.
  func requestsEnded() { for hook in change({ $0.requestsEnd.come() }) { hook() } }

  /// There are no more responses for the caller.
  func responsesEnded() { for hook in change({ $0.responsesEnd.come() }) { hook() } }

  /// Nobody comes to a hook any more: what they refer to, their call perhaps, is let go of.
  func forgetHooks() {
    guard let record = record.load() else { return }
    // Let go of outside of the lock.
    _ = record.changes.withLock { changes in
      defer {
        (changes.requestHooks, changes.responseHooks) = (MessageHooks(), MessageHooks())
        (changes.requestsEnd, changes.responsesEnd) = (MessagesEnd(), MessagesEnd())
        changes.initialMetadataHooks = []
      }
      return changes
    }
  }

  /// What the server has sent first as the hooks leave it.
  func hooked(_ initialMetadata: Metadata, from peer: Peer) -> Metadata {
    guard let hooks = record.load()?.changes.withLock({ $0.initialMetadataHooks }), !hooks.isEmpty else {
      return initialMetadata
    }
    var changed = initialMetadata
    for hook in hooks { hook(&changed, peer) }
    return changed
  }

  /// A request, or a response, as these hooks leave it.
  static func apply(
    _ hooks: MessageHooks, to bytes: [UInt8], _ codec: any MessageCodec
  ) throws -> [UInt8] {
    var message = InterceptedMessage(bytes: bytes, codec)
    try hooks.apply(to: &message)
    return try message.bytes()
  }
}
