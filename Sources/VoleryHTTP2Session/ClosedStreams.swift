/// What a server remembers of the streams that its client has ended: frames that come for one of them are the client's error
/// (RFC 9113, 5.1), and so is a stream with a number that was passed over (5.1.1). nghttp2, told to forget closed streams,
/// passes over both in silence.
///
/// Only what is certain is judged: a stream that the server has reset may still get frames that were on their way, and one that
/// has been forgotten may be such a one. 64 numbers are remembered of either kind, which is 256 bytes a connection each.
struct ClosedStreams {
  enum Verdict: Equatable {
    case pass
    case resetStream(HTTP2ErrorCode)
    case endConnection(HTTP2ErrorCode)
  }

  private static let capacity = 64
  private static let gapCapacity = 16

  /// The last that were ended by END_STREAM, and, as negative numbers, those that the client has reset. A ring.
  private var ended: [Int32] = []
  private var next = 0
  /// Numbers that were passed over, the newest last; a client that counts by two has none.
  private var gaps: [ClosedRange<Int32>] = []
  /// The highest number that a request had.
  private(set) var lastID: Int32 = -1

  /// A request with a number above all others.
  @inline(__always)
  mutating func opened(_ id: Int32) {
    if id != lastID &+ 2 { noteGap(before: id) }
    lastID = id
  }

  private mutating func noteGap(before id: Int32) {
    guard id & 1 == 1, id > lastID + 2 else { return }
    if gaps.count == ClosedStreams.gapCapacity { gaps.removeFirst() }
    gaps.append((lastID + 2)...(id - 2))
  }

  mutating func closed(_ id: Int32, byReset: Bool) {
    let entry = byReset ? -id : id
    guard ended.count == ClosedStreams.capacity else { return ended.append(entry) }
    ended[next] = entry
    next = (next + 1) % ClosedStreams.capacity
  }

  /// What a DATA or HEADERS frame means whose stream is not open, and whose number is not above all others.
  func verdict(on id: Int32, isHeaders: Bool) -> Verdict {
    if ended.contains(-id) { return .resetStream(.streamClosed) }
    if ended.contains(id) { return isHeaders ? .endConnection(.streamClosed) : .resetStream(.streamClosed) }
    if isHeaders, gaps.contains(where: { $0.contains(id) }) { return .endConnection(.protocolError) }
    return .pass
  }
}
