/// SETTINGS_MAX_CONCURRENT_STREAMS as a server announces it. nghttp2 ends the connection of a client that opens more streams
/// than it was told of; a stream that is refused costs the others nothing (RFC 9113, 5.1.2). So nghttp2 is told of no limit, and
/// the number is written into the SETTINGS on their way out.
struct Announcement {
  /// The place among the entries of the SETTINGS frame.
  let entryIndex: Int
  let value: UInt32

  /// What nghttp2 takes for the limit.
  static let placeholder: UInt32 = 0x7fff_fffe

  /// Writes the number into the SETTINGS frame, which comes first. False where it is another frame.
  func write(into frame: inout [UInt8]) -> Bool {
    // An entry is an identifier of two bytes and a value of four (6.5.1).
    let place = FrameHeader.byteCount + entryIndex * 6 + 2
    let written = place + 4 <= frame.count ? frame[place..<(place + 4)].reduce(0) { $0 << 8 | UInt32($1) } : 0
    guard written == Announcement.placeholder else { return false }
    withUnsafeBytes(of: value.bigEndian) { frame.replaceSubrange(place..<(place + 4), with: $0) }
    return true
  }
}
