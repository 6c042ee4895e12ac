import VoleryHTTP2Transport
import VoleryObservation
import VoleryTransport
import VoleryTypes

/// Counts what goes through an attempt's stream, and tells its observer. On the attempt's loop.
final class AttemptWatch {  // Isolation: loop
  private let observer: any AttemptObserver
  private let startedAt = Moment.now
  @exclusivity(unchecked) private var sent = MessageCount()
  @exclusivity(unchecked) private var received = MessageCount()
  /// The server's `grpc-encoding`.
  @exclusivity(unchecked) private var encoding: String?

  init(_ observer: any AttemptObserver) { self.observer = observer }

  func sent(_ frame: MessageFrame, _ compression: Compression) {
    var message = sent.add(byteCount: frame.messageByteCount, isCompressed: frame.isCompressed)
    if message.isCompressed, observer.hearsUncompressedSizes {
      message = message.uncompressed(compression.inflatedByteCount(of: frame.head, behind: MessageSink.prefixByteCount))
    }
    observer.sent(message)
  }

  func received(_ initialMetadata: Metadata, encoding: String?) {
    self.encoding = encoding
    observer.received(initialMetadata)
  }

  func received(_ bytes: [UInt8], isCompressed: Bool, limit: Int) {
    var message = received.add(byteCount: bytes.count, isCompressed: isCompressed)
    if isCompressed, observer.hearsUncompressedSizes, let compression = encoding.flatMap(Compression.init(name:)) {
      message = message.uncompressed(compression.inflatedByteCount(of: bytes, limit: limit))
    }
    observer.received(message)
  }

  func ended(_ outcome: borrowing StreamOutcome) {
    observer.ended(
      AttemptEnd(
        status: outcome.status, origin: outcome.origin, isComplete: outcome.isOK || outcome.isServersOwn,
        trailingMetadata: outcome.trailingMetadata, nanoseconds: startedAt.nanoseconds(to: .now), sent: sent,
        received: received))
  }
}
