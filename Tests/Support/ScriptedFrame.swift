/// A frame as a peer's script says and hears it (RFC 9113, 4.1).
package struct ScriptedFrame: Sendable, CustomStringConvertible {
  package enum Kind: UInt8, Sendable {
    case data, headers, priority, reset, settings, pushPromise, ping, goAway, windowUpdate, continuation
  }

  package static let endStream: UInt8 = 1
  package static let acknowledgement: UInt8 = 1
  package static let endHeaders: UInt8 = 4

  package var kind: Kind
  package var flags: UInt8 = 0
  package var stream: UInt32 = 0
  package var payload: [UInt8] = []

  package init(kind: Kind, flags: UInt8 = 0, stream: UInt32 = 0, payload: [UInt8] = []) {
    self.kind = kind
    self.flags = flags
    self.stream = stream
    self.payload = payload
  }

  package var bytes: [UInt8] {
    let count = payload.count
    return [UInt8(count >> 16 & 255), UInt8(count >> 8 & 255), UInt8(count & 255), kind.rawValue, flags]
      + withUnsafeBytes(of: stream.bigEndian, Array.init) + payload
  }

  package var endsStream: Bool {
    (kind == .data || kind == .headers) && flags & ScriptedFrame.endStream != 0
  }
  /// Of RST_STREAM and GOAWAY.
  package var errorCode: UInt32? {
    switch kind {
    case .reset: number(at: 0)
    case .goAway: number(at: 4)
    default: nil
    }
  }
  /// Of GOAWAY.
  package var debugText: String { String(decoding: payload.dropFirst(8), as: UTF8.self) }

  private func number(at offset: Int) -> UInt32 { payload[offset..<(offset + 4)].reduce(0) { $0 << 8 | UInt32($1) } }

  package var description: String {
    let code = errorCode.map { " code \($0)" } ?? ""
    return "\(kind) on \(stream), flags \(flags), \(payload.count) bytes\(code)"
  }

  package static func data(_ stream: UInt32, _ payload: [UInt8], ends: Bool = false) -> ScriptedFrame {
    ScriptedFrame(kind: .data, flags: ends ? endStream : 0, stream: stream, payload: payload)
  }

  package static func headers(_ stream: UInt32, _ fields: [(String, String)], ends: Bool = false) -> ScriptedFrame {
    let flags = endHeaders | (ends ? endStream : 0)
    return ScriptedFrame(kind: .headers, flags: flags, stream: stream, payload: block(fields))
  }

  package static func reset(_ stream: UInt32, _ code: UInt32) -> ScriptedFrame {
    ScriptedFrame(kind: .reset, stream: stream, payload: withUnsafeBytes(of: code.bigEndian, Array.init))
  }

  /// - Parameter lastStream: The last one that was taken.
  package static func goAway(lastStream: UInt32 = 0, _ code: UInt32 = 0, _ debugText: String = "") -> ScriptedFrame {
    let numbers =
      withUnsafeBytes(of: lastStream.bigEndian, Array.init) + withUnsafeBytes(of: code.bigEndian, Array.init)
    return ScriptedFrame(kind: .goAway, payload: numbers + Array(debugText.utf8))
  }

  package static func ping(_ number: UInt64 = 0) -> ScriptedFrame {
    ScriptedFrame(kind: .ping, payload: withUnsafeBytes(of: number.bigEndian, Array.init))
  }

  package static func windowUpdate(_ stream: UInt32, _ count: UInt32) -> ScriptedFrame {
    ScriptedFrame(kind: .windowUpdate, stream: stream, payload: withUnsafeBytes(of: count.bigEndian, Array.init))
  }

  package static func settings(_ entries: [(UInt16, UInt32)] = []) -> ScriptedFrame {
    let payload = entries.flatMap { id, value in
      withUnsafeBytes(of: id.bigEndian, Array.init) + withUnsafeBytes(of: value.bigEndian, Array.init)
    }
    return ScriptedFrame(kind: .settings, payload: payload)
  }

  package static let settingsAcknowledged = ScriptedFrame(kind: .settings, flags: acknowledgement)

  /// Literal fields without indexing and without Huffman (RFC 7541, 6.2.2).
  package static func block(_ fields: [(String, String)]) -> [UInt8] {
    fields.reduce(into: []) { block, field in block += literal(field.0, field.1) }
  }

  private static func literal(_ name: String, _ value: String) -> [UInt8] {
    var field: [UInt8] = [0]
    field += integer(name.utf8.count)
    field += Array(name.utf8)
    field += integer(value.utf8.count)
    field += Array(value.utf8)
    return field
  }

  /// A length with a prefix of 7 bits (RFC 7541, 5.1).
  private static func integer(_ value: Int) -> [UInt8] {
    guard value >= 127 else { return [UInt8(value)] }
    var rest = value - 127
    var out: [UInt8] = [127]
    while rest >= 128 {
      out.append(UInt8(rest & 127) | 128)
      rest >>= 7
    }
    return out + [UInt8(rest)]
  }

  /// A header block of any size, in as many frames as it takes.
  package static func largeHeaders(_ stream: UInt32, _ fields: [(String, String)], ends: Bool = false)
    -> [ScriptedFrame]
  {
    let block = block(fields)
    var frames: [ScriptedFrame] = []
    for start in stride(from: 0, to: block.count, by: 16384) {
      let piece = Array(block[start..<min(start + 16384, block.count)])
      frames.append(ScriptedFrame(kind: start == 0 ? .headers : .continuation, stream: stream, payload: piece))
    }
    if ends { frames[0].flags |= endStream }
    frames[frames.count - 1].flags |= endHeaders
    return frames
  }
}
