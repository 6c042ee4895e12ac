/// A message's unknown fields while it is read: pieces of the input, in the place where libprotobuf-c has its own list when a
/// message is written.
struct UnknownPieces {
  private static let countOffset = 8
  private static let piecesOffset = 16

  private let message: UnsafeMutableRawPointer

  init(_ message: UnsafeMutableRawPointer) { self.message = message }

  private var count: Int { Int(message.load(fromByteOffset: UnknownPieces.countOffset, as: UInt32.self)) }

  private var pieces: UnsafeMutablePointer<UnsafeRawBufferPointer>? {
    message.load(fromByteOffset: UnknownPieces.piecesOffset, as: UnsafeMutablePointer<UnsafeRawBufferPointer>?.self)
  }

  var all: UnsafeBufferPointer<UnsafeRawBufferPointer> { UnsafeBufferPointer(start: pieces, count: count) }

  var last: UnsafeRawBufferPointer? {
    get { all.last }
    nonmutating set { if let newValue, count > 0 { pieces?[count - 1] = newValue } }
  }

  /// How many there has to be room for before the next one is added; nil when there is room. It doubles, so that a count alone
  /// tells the room there is.
  var capacityWhenFull: Int? { count & (count &- 1) == 0 ? max(1, 2 * count) : nil }

  func move(to memory: UnsafeMutableRawPointer) {
    let moved = memory.bindMemory(to: UnsafeRawBufferPointer.self, capacity: count + 1)
    if let pieces { moved.initialize(from: pieces, count: count) }
    message.storeBytes(
      of: moved, toByteOffset: UnknownPieces.piecesOffset, as: UnsafeMutablePointer<UnsafeRawBufferPointer>.self)
  }

  func append(_ piece: UnsafeRawBufferPointer) {
    pieces?[count] = piece
    message.storeBytes(of: UInt32(count + 1), toByteOffset: UnknownPieces.countOffset, as: UInt32.self)
  }
}
