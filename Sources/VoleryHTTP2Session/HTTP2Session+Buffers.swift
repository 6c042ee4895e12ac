import CNGHTTP2
import VoleryPlatform

/// Bytes that wait on a session, of all streams. Plain memory, so that to count costs an addition.
struct ByteCounts {
  var waiting = 0
  var queued = 0

  static func make() -> UnsafeMutablePointer<ByteCounts> {
    let counts = UnsafeMutablePointer<ByteCounts>.allocate(capacity: 1)
    counts.initialize(to: ByteCounts())
    return counts
  }
}

// What waits in memory, and how the peer is made to send less.
extension HTTP2Session {
  /// Bytes of bodies that wait to be sent.
  package var queuedByteCount: Int { byteCounts.pointee.queued }
  /// Bytes of messages that were received and that nobody has taken.
  package var waitingByteCount: Int { byteCounts.pointee.waiting }
  /// Both.
  package var bufferedByteCount: Int { byteCounts.pointee.queued &+ byteCounts.pointee.waiting }

  /// What is pulled and not taken points to no stream's messages any more: somebody has given up some of them.
  func detachOutput() { output.detach() }

  /// Changes what the peer may send on each stream before it gets more credit, those that are open included (RFC 9113,
  /// 6.9.2); the delegate hears of its acknowledgement.
  package func announceStreamWindow(_ byteCount: UInt32) {
    let entries = [setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, byteCount)]
    if nghttp2_submit_settings(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), entries, entries.count) == 0 {
      unacknowledgedSettings += 1
    }
  }

  func settingsAcknowledged() {
    unacknowledgedSettings -= 1
    if unacknowledgedSettings == 0 { delegate.settingsAcknowledged() }
  }
}

extension HTTP2Session {
  /// The value of the first field of this name in the block that is being received; while `headersReceived` runs.
  package func receivedField(_ name: StaticString) -> String? {
    var offset = 0
    while let field = block.next(&offset) {
      let isIt =
        field.name.count == name.utf8CodeUnitCount
        && memcmp(field.name.baseAddress!, name.utf8Start, name.utf8CodeUnitCount) == 0
      if isIt { return String(decoding: field.value, as: UTF8.self) }
    }
    return nil
  }
}

extension HTTP2Stream {
  package var waitingByteCount: Int { receivedByteCount }
  /// The session's, without a way around by it.
  package var sessionQueuedByteCount: Int { byteCounts?.pointee.queued ?? 0 }

  /// So many bytes have come that somebody has to take. While the stream is open.
  package func noteReceived(_ count: Int) {
    receivedByteCount &+= count
    byteCounts.unsafelyUnwrapped.pointee.waiting &+= count
  }

  /// Somebody has taken them. While the stream is open; more than there are, are all.
  package func noteTaken(_ count: Int) {
    let taken = min(count, receivedByteCount)
    guard taken > 0 else { return }
    receivedByteCount &-= taken
    byteCounts.unsafelyUnwrapped.pointee.waiting &-= taken
  }

  /// Lets the peer send so many bytes more than it may now.
  package func extendWindow(by byteCount: Int) {
    guard !isClosed, let nghttp2 else { return }
    nghttp2_submit_window_update(nghttp2, UInt8(NGHTTP2_FLAG_NONE.rawValue), id, Int32(clamping: byteCount))
  }

  /// What the peer may send now; negative where its window was made narrower than what it has sent already.
  package var receiveWindow: Int {
    guard !isClosed, let nghttp2 else { return 0 }
    let size = nghttp2_session_get_stream_effective_local_window_size(nghttp2, id)
    return Int(size) - Int(nghttp2_session_get_stream_effective_recv_data_length(nghttp2, id))
  }
}
