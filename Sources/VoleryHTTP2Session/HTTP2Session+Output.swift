import CNGHTTP2

// Bytes to the peer.
extension HTTP2Session {
  /// Gives what has to go to the peer, in order, in pieces that are valid during the call, until about `limit` bytes are
  /// there. `body` returns how many bytes it has taken; the rest is what the next `pull` gives. Returns whether there may
  /// be more.
  package func pull(limit: Int, _ body: (UnsafeBufferPointer<UnsafeRawBufferPointer>) -> Int) -> Bool {
    if output.isPartlyTaken {
      output.give(body)
      return true
    }
    outputLimit = limit
    withheldHeader.putBack()
    var isComplete = false
    while output.byteCount < limit {
      var data: UnsafePointer<UInt8>?
      let count = nghttp2_session_mem_send(session, &data)
      guard count > 0, let data else {
        // It also stops within a frame whose payload is over the limit.
        isComplete = output.byteCount < limit
        break
      }
      if let announcement {
        send(data, count, with: announcement)
      } else if role == .client {
        if data[3] == FrameHeader.headers {
          usualRequests.send(data, count, to: &output)
        } else {
          output.append(data, count)
        }
      } else if trailers.sees(data, count) {
        trailers.append(behind: data, count, to: &output)
      } else {
        output.append(data, count)
      }
    }
    if !output.isEmpty { output.give(body) }
    return !isComplete || !output.isEmpty
  }

  /// What nghttp2 has ready is copied.
  func takeFrame() {
    var data: UnsafePointer<UInt8>?
    let count = nghttp2_session_mem_send(session, &data)
    if count > 0, let data { output.append(data, count) }
  }

  private func send(_ frame: UnsafePointer<UInt8>, _ count: Int, with announcement: Announcement) {
    var bytes = Array(UnsafeBufferPointer(start: frame, count: count))
    if announcement.write(into: &bytes) { self.announcement = nil }
    bytes.withUnsafeBytes { output.append($0.baseAddress!, count) }
  }
}

/// The header of a DATA frame that nghttp2 has begun and not sent: it lies in a buffer that other sessions use meanwhile.
struct WithheldHeader {
  private var place: UnsafeMutablePointer<UInt8>?
  private var head: UInt64 = 0
  private var last: UInt8 = 0

  mutating func keep(_ header: UnsafePointer<UInt8>) {
    place = UnsafeMutablePointer(mutating: header)
    head = UnsafeRawPointer(header).loadUnaligned(as: UInt64.self)
    last = header[8]
  }

  mutating func putBack() {
    guard let place else { return }
    UnsafeMutableRawPointer(place).storeBytes(of: head, as: UInt64.self)
    place[8] = last
    self.place = nil
  }
}
