import Synchronization
import VoleryTransport
import VoleryTypes

/// Where a made-up call's responses go: kept, for the test to look at. Any thread may look.
final class StreamRecorder: ServerStream, Sendable {
  private struct State {
    var initialMetadata: Metadata?
    var messages: [[UInt8]] = []
  }

  let peer: Peer
  let transportLoop: any TransportLoop
  private let state = Mutex(State())

  init(peer: Peer, loop: any TransportLoop) {
    self.peer = peer
    transportLoop = loop
  }

  var initialMetadata: Metadata? { state.withLock { $0.initialMetadata } }
  /// Without their prefixes.
  var messages: [[UInt8]] { state.withLock { $0.messages } }

  func sendInitialMetadata(_ metadata: Metadata, messageEncoding: String?) {
    state.withLock { $0.initialMetadata = metadata }
  }

  func send(_ frame: MessageFrame) {
    let message = Array(frame.joined.dropFirst(MessageSink.prefixByteCount))
    state.withLock { $0.messages.append(message) }
  }

  // The test takes everything at once, and ends the call itself.
  func finish(_ status: Status, trailingMetadata: Metadata) {}
  func finishNow(_ status: Status) {}
  func consume(_ byteCount: Int) {}
  var queuedByteCount: Int { 0 }
  var isClientBehind: Bool { false }
  func whenClientCatchesUp(_ work: @escaping () -> Void) { work() }
  var lingeringHandlers: LingeringHandlers? { nil }
}
