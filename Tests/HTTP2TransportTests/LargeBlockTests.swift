import CNGHTTP2
import TestSupport
import Testing

@testable import VoleryHTTP2Session

/// Header blocks that nghttp2 could not read, cut to what it can.
@Suite("Large header blocks") struct LargeBlockTests {
  /// HPACK's other end, which keeps a dynamic table.
  final class Deflater {
    let deflater: OpaquePointer

    init() {
      var made: OpaquePointer?
      nghttp2_hd_deflate_new(&made, 4096)
      deflater = made!
    }

    deinit { nghttp2_hd_deflate_del(deflater) }

    func block(_ fields: [(String, String)]) -> [UInt8] {
      var bytes = fields.map { (Array($0.0.utf8), Array($0.1.utf8)) }
      var out = [UInt8](repeating: 0, count: 1 << 21)
      var entries: [nghttp2_nv] = []
      for index in bytes.indices {
        let (name, value) = (bytes[index].0, bytes[index].1)
        entries.append(
          nghttp2_nv(
            name: copy(name), value: copy(value), namelen: name.count, valuelen: value.count, flags: 0))
      }
      let count = nghttp2_hd_deflate_hd(deflater, &out, out.count, entries, entries.count)
      for entry in entries {
        entry.name.deallocate()
        entry.value.deallocate()
      }
      bytes = []
      return Array(out[..<count])
    }

    private func copy(_ bytes: [UInt8]) -> UnsafeMutablePointer<UInt8> {
      let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: max(bytes.count, 1))
      for (index, byte) in bytes.enumerated() { copy[index] = byte }
      return copy
    }
  }

  /// Nil for what is no HPACK.
  static func fields(of block: [UInt8], _ inflater: HeaderInflater) -> [String]? {
    let found = inflater.fields(of: block)
    return found.isWhole ? found.fields.map { "\($0.name): \($0.value)" } : nil
  }

  static func trimmed(_ block: [UInt8], in size: Int) -> (block: [UInt8], count: Int) {
    var trimmer = LiteralTrimmer()
    var out: [UInt8] = []
    for start in stride(from: 0, to: block.count, by: size) {
      out += trimmer.trim(block[start..<min(start + size, block.count)])
    }
    return (out, trimmer.trimmedByteCount)
  }

  /// Fields that HPACK writes in each of its ways: by both tables, with and without indexing, by Huffman's code and plainly.
  static let usual = [
    (":status", "200"), ("content-type", "application/grpc"), ("x-one", "a"), ("authorization", "secret"),
    ("x-plain", "\u{1}\u{2}\u{3}"), ("x-empty", ""), ("x-longer", String(repeating: "ab", count: 500)),
  ]

  @Test("a block without anything too long stays as it is, in pieces of any size", arguments: [1, 2, 3, 100, 100_000])
  func unchanged(_ size: Int) {
    let deflater = Deflater()
    for _ in 0..<3 {
      let block = deflater.block(Self.usual)
      let trimmed = Self.trimmed(block, in: size)
      #expect(trimmed.block == block)
      #expect(trimmed.count == 0)
    }
  }

  @Test(
    "a literal of over 64 KiB is cut out, and both tables stay the same",
    arguments: [65_536, 65_537, 200_000],
    [7, 16_384])
  func cut(_ count: Int, _ size: Int) throws {
    let (deflater, inflater) = (Deflater(), HeaderInflater())
    // 0xff takes more by Huffman's code than plainly: it is sent plainly.
    let long = String(repeating: "\u{7f}", count: count)
    let isTooLong = count > LiteralTrimmer.longestLiteral
    for place in [0, 3, Self.usual.count] {
      var fields = Self.usual
      fields.insert(("x-long", long), at: place)
      let trimmed = Self.trimmed(deflater.block(fields), in: size)
      #expect((trimmed.count > 0) == isTooLong)
      let found = try #require(Self.fields(of: trimmed.block, inflater))
      #expect(found.count == fields.count)
      for (text, field) in zip(found, fields) where !isTooLong || field.0 != "x-long" {
        #expect(text == "\(field.0): \(field.1)")
      }
      // What the tables have now is used by this one.
      #expect(
        Self.fields(of: Self.trimmed(deflater.block(Self.usual), in: size).block, inflater)?.count == Self.usual.count)
    }
  }

  @Test("a name of over 64 KiB is cut out too") func name() throws {
    let (deflater, inflater) = (Deflater(), HeaderInflater())
    let fields = Self.usual + [(String(repeating: "\u{7f}", count: 70_000), "value")] + Self.usual
    let trimmed = Self.trimmed(deflater.block(fields), in: 1000)
    #expect(trimmed.count == 70_000)
    #expect(Self.fields(of: trimmed.block, inflater)?.count == fields.count)
    #expect(Self.fields(of: deflater.block(Self.usual), inflater)?.count == Self.usual.count)
  }

  @Test("what is no HPACK is left to nghttp2, and never more than a frame's worth longer") func garbage() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<500 {
      let bytes = (0..<Int.random(in: 0..<300, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
      let trimmed = Self.trimmed(bytes, in: Int.random(in: 1...300, using: &random))
      #expect(trimmed.block.count <= bytes.count + 4200 * 3)
    }
    let endless = Self.trimmed([0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1, 2, 3], in: 1).block
    #expect(Self.fields(of: endless, HeaderInflater()) == nil)
  }

  @Test("frames of a block are given on as frames, wherever they are cut", arguments: [1, 9, 1000, 1 << 20])
  func frames(_ size: Int) throws {
    let deflater = Deflater()
    let block = deflater.block(Self.usual + [("x-long", String(repeating: "\u{7f}", count: 100_000))] + Self.usual)
    var wire: [UInt8] = []
    let pieces = stride(from: 0, to: block.count, by: 16_000).map { Array(block[$0..<min($0 + 16_000, block.count)]) }
    for (index, piece) in pieces.enumerated() {
      // The first is padded, with a priority.
      let payload = index == 0 ? [3, 0, 0, 0, 0, 15] + piece + [0, 0, 0] : piece
      let flags: UInt8 = index == 0 ? 0x29 : index == pieces.count - 1 ? 4 : 0
      wire += FrameHeader(length: payload.count, type: index == 0 ? 1 : 9, flags: flags, streamID: 5).bytes + payload
    }
    wire += [1, 2, 3]
    var offset = 0
    let first = try #require(
      wire.withUnsafeBytes { bytes in
        var scanner = FrameScanner(leading: 0)
        return scanner.next(in: bytes, &offset)
      })
    var large = LargeBlock(first)
    var out: [UInt8] = []
    var left = 0
    for start in stride(from: offset, to: wire.count, by: size) {
      let piece = wire[start..<min(start + size, wire.count)]
      piece.withUnsafeBytes { bytes in
        var rest = bytes
        large.take(&rest, &out)
        left += rest.count
      }
    }
    #expect(large.isComplete && left == 3, "what comes behind the block is not touched")
    var joined: [UInt8] = []
    var place = 0
    var scanner = FrameScanner(leading: 0)
    out.withUnsafeBytes { bytes in
      while let header = scanner.next(in: bytes, &place) {
        #expect(header.length <= 16_384 && header.streamID == 5)
        #expect(header.type == (joined.isEmpty ? 1 : 9))
        #expect(!joined.isEmpty || header.flags == 0x21)
        let payload = bytes[place..<(place + header.length)]
        joined += joined.isEmpty ? payload.dropFirst(5) : payload
      }
    }
    let found = try #require(Self.fields(of: joined, HeaderInflater()))
    #expect(found.count == 2 * Self.usual.count + 1)
  }

  @Test("frame headers are found wherever the bytes are cut") func scanner() {
    let frames: [ScriptedFrame] =
      StreamStateTests.call(1)
      + [.settings([(3, 7)]), .ping(5), .data(0x7fff_ffff, [UInt8](repeating: 1, count: 70))]
    let bytes = [UInt8](repeating: 9, count: 24) + frames.flatMap(\.bytes)
    for size in 9...bytes.count {
      var scanner = FrameScanner(leading: 24)
      var found: [FrameHeader] = []
      var held: [UInt8] = []
      for start in stride(from: 0, to: bytes.count, by: size) {
        held += bytes[start..<min(start + size, bytes.count)]
        var offset = 0
        held.withUnsafeBytes { piece in
          while let header = scanner.next(in: piece, &offset) { found.append(header) }
        }
        held.removeFirst(offset)
      }
      #expect(found.map(\.type) == frames.map(\.kind.rawValue), "in pieces of \(size)")
      #expect(found.map(\.streamID) == frames.map { Int32($0.stream) })
      #expect(found.map(\.length) == frames.map(\.payload.count))
      #expect(found.map(\.flags) == frames.map(\.flags))
    }
  }
}
