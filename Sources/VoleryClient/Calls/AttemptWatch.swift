import VoleryObservation
import VoleryTransport
import VoleryTypes

/// Counts what goes through an attempt's stream, and tells its observer. On the attempt's loop.
final class AttemptWatch {  // Isolation: loop
  private let observer: any AttemptObserver
  private let startedAt = Moment.now
  @exclusivity(unchecked) private var sent = MessageCount()
  @exclusivity(unchecked) private var received = MessageCount()

  init(_ observer: any AttemptObserver) { self.observer = observer }

  func sent(_ frame: MessageFrame) {
    observer.sent(sent.add(byteCount: frame.messageByteCount, isCompressed: frame.isCompressed))
  }

  func received(_ initialMetadata: Metadata) { observer.received(initialMetadata) }

  func received(_ message: [UInt8], isCompressed: Bool) {
    observer.received(received.add(byteCount: message.count, isCompressed: isCompressed))
  }

  func ended(_ outcome: borrowing StreamOutcome) {
    observer.ended(
      AttemptEnd(
        status: outcome.status, origin: outcome.origin, isComplete: outcome.isOK || outcome.isServersOwn,
        trailingMetadata: outcome.trailingMetadata, nanoseconds: startedAt.nanoseconds(to: .now), sent: sent,
        received: received))
  }
}
