import VoleryPlatform

/// What has to go to the peer, in order: frames in one buffer, and between them large payloads that are only pointed to, for a
/// gathered write. The buffer goes round among the sessions of a loop: one that has nothing to say has none.
struct HTTP2Output: ~Copyable {
  /// Bytes that stand where the buffer has come to `position`.
  private struct Payload {
    let position: Int
    let chunk: [UInt8]
    let range: Range<Int>
  }

  private let memory: HTTP2Memory?
  private var bytes: UnsafeMutableRawPointer?
  private var capacity = 0
  private var count = 0
  private var payloads: [Payload] = []
  /// All of it, payloads too.
  private(set) var byteCount = 0
  /// Bytes at the front that have been taken.
  private var takenByteCount = 0
  /// A buffer that has become larger than this is not kept: what a connection pulls at once, and a frame more, fits.
  private static let maxKeptCapacity = 640 << 10
  /// From this size on it does not double any more.
  private static let maxDoubledCapacity = 512 << 10

  /// - Parameter memory: Where buffers go round; nil: this one keeps its own.
  init(_ memory: HTTP2Memory?) { self.memory = memory }

  deinit { free(bytes) }

  var isEmpty: Bool { byteCount == 0 }

  /// Whether some of it has been taken: nothing is appended before the rest has.
  var isPartlyTaken: Bool { takenByteCount > 0 }

  mutating func append(_ start: UnsafeRawPointer, _ length: Int) {
    if capacity - count < length { grow(by: length) }
    memcpy(bytes! + count, start, length)
    count += length
    byteCount += length
  }

  /// Appends a frame with room for so many bytes behind it. Returns where it stands: to be written to, before anything else is
  /// appended.
  mutating func append(_ start: UnsafeRawPointer, _ length: Int, roomBehind room: Int) -> UnsafeMutableRawPointer {
    if capacity - count < length + room { grow(by: length + room) }
    let copy = bytes! + count
    memcpy(copy, start, length)
    count += length + room
    byteCount += length + room
    return copy
  }

  /// Appends without a copy.
  mutating func append(payload chunk: [UInt8], _ range: Range<Int>) {
    payloads.append(Payload(position: count, chunk: chunk, range: range))
    byteCount += range.count
  }

  private mutating func grow(by length: Int) {
    if bytes == nil, let lent = memory?.output.take(&capacity) {
      bytes = lent
      if capacity >= length { return }
    }
    let larger = capacity < HTTP2Output.maxDoubledCapacity ? capacity * 2 : capacity + (64 << 10)
    capacity = max(larger, count + length, 4096)
    bytes = realloc(bytes, capacity)
    precondition(bytes != nil, "no memory for a connection's output")
  }

  /// Gives away everything that is left, in order; valid during the call. `body` returns how many bytes it has taken.
  mutating func give(_ body: (UnsafeBufferPointer<UnsafeRawBufferPointer>) -> Int) {
    takenByteCount += withPieces(body)
    if takenByteCount >= byteCount { removeAll() }
  }

  private borrowing func withPieces(_ body: (UnsafeBufferPointer<UnsafeRawBufferPointer>) -> Int) -> Int {
    // Most turns have frames alone.
    guard !payloads.isEmpty else {
      let rest = UnsafeRawBufferPointer(start: bytes.map { $0 + takenByteCount }, count: count - takenByteCount)
      return withUnsafePointer(to: rest) { body(UnsafeBufferPointer(start: $0, count: 1)) }
    }
    return withUnsafeTemporaryAllocation(of: UnsafeRawBufferPointer.self, capacity: 2 * payloads.count + 1) { pieces in
      var pieceCount = 0
      var written = 0
      var skipped = takenByteCount
      func add(_ piece: UnsafeRawBufferPointer) {
        guard piece.count > skipped else {
          skipped -= piece.count
          return
        }
        pieces.initializeElement(at: pieceCount, to: UnsafeRawBufferPointer(rebasing: piece.dropFirst(skipped)))
        pieceCount += 1
        skipped = 0
      }
      for payload in payloads {
        add(UnsafeRawBufferPointer(start: bytes.map { $0 + written }, count: payload.position - written))
        written = payload.position
        // `payloads` holds the array, whose elements don't move while nobody writes to it.
        payload.chunk.withUnsafeBytes { add(UnsafeRawBufferPointer(rebasing: $0[payload.range])) }
      }
      add(UnsafeRawBufferPointer(start: bytes.map { $0 + written }, count: count - written))
      return body(UnsafeBufferPointer(rebasing: pieces[..<pieceCount]))
    }
  }

  /// Copies what it points to: the chunks, of which that may be a small part, are let go of. Not while it is given away.
  mutating func detach() {
    guard !payloads.isEmpty else { return }
    let rest = byteCount - takenByteCount
    guard let copy = malloc(max(rest, 1)) else { return }
    _ = withPieces { pieces in
      var end = copy
      for piece in pieces where !piece.isEmpty {
        memcpy(end, piece.baseAddress!, piece.count)
        end += piece.count
      }
      return 0
    }
    free(bytes)
    bytes = copy
    capacity = rest
    count = rest
    byteCount = rest
    takenByteCount = 0
    payloads = []
  }

  private mutating func removeAll() {
    count = 0
    byteCount = 0
    takenByteCount = 0
    if !payloads.isEmpty { payloads.removeAll(keepingCapacity: true) }
    guard let bytes else { return }
    if capacity > HTTP2Output.maxKeptCapacity {
      free(bytes)
    } else if let memory {
      memory.output.giveBack(bytes, capacity)
    } else {
      return
    }
    self.bytes = nil
    capacity = 0
  }
}
