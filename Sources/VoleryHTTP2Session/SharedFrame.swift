import VoleryPlatform

/// nghttp2's buffer for a frame, 16 KiB: one for all sessions of a loop. That is safe because a session fills it, and what is in it
/// is copied, within one `HTTP2Session.pull`; a frame's header that has to wait for the next one is kept apart
/// (`WithheldHeader`).
///
/// Plain memory; who has it frees it.
struct SharedFrame {
  /// In the place of a block's class (`BlockLists`).
  static let mark = -1
  /// nghttp2's buffer has this and a few bytes more.
  private static let leastByteCount = 16 << 10

  private var block: UnsafeMutableRawPointer?
  private(set) var byteCount = 0

  func letGo() { free(block) }

  /// Whether a block of this size is a session's buffer for a frame, while a session is made.
  static func isFrame(_ size: Int) -> Bool { size >= leastByteCount }

  /// The frame; nil where it is smaller than this, or where the system has no memory.
  mutating func take(_ size: Int) -> UnsafeMutableRawPointer? {
    if block == nil {
      block = malloc(size &+ BlockLists.headerByteCount)
      byteCount = size
    }
    guard byteCount >= size else { return nil }
    return BlockLists.stamp(block, SharedFrame.mark)
  }
}
