import VoleryPrimitives
import VoleryTransport
import VoleryTypes

/// What a call's caller sends. A value, guarded by the call's lock.
struct OutgoingMessages {
  var outbox = Outbox()
  /// The transport's queue is above the mark.
  var isTransportFull = false
  /// Who waits to send.
  var writers = WaiterList()

  var mustWait: Bool { isTransportFull || outbox.isFull }
}

/// What a call's server has sent, as far as somebody may ask for it before the end. A value, guarded by the call's lock.
struct IncomingMessages {
  /// Flow-control credit is given back in pieces of at least this many bytes.
  static let creditThreshold = 16 << 10

  /// The initial metadata.
  var metadata: Metadata?
  /// The server's `grpc-encoding`.
  var encoding: String?
  var inbox = Queue<ReceivedMessage>()
  var pendingCredit = 0
  /// Who waits for a message.
  var readers = WaiterList()
  /// Who waits for the initial metadata.
  var metadataReaders = WaiterList()
}

/// The same on the attempt of a unary call, where nobody can ask for anything before the end.
struct HeldAnswer {
  var initialMetadata: Metadata?
  var encoding: String?
  var message: ReceivedMessage?
}
