import CProtobufC
import VoleryTypes

/// Where libprotobuf-c packs a message with large byte fields: their arrays are handed on as they are, what is between them
/// is collected.
struct PieceBuffer {
  private let lent: [[UInt8]]
  /// Where in `lent` the next one is looked for first: the library packs fields in the order of their numbers, which is
  /// mostly the order in which they were filled.
  private var next = 0
  /// What has come since the last large field.
  private var bytes: [UInt8] = []
  private var pieces: [[UInt8]] = []

  private init(_ lent: [[UInt8]]) { self.lent = lent }

  /// Packs the message into the sink; `lent` are its large byte fields.
  static func pack(_ message: UnsafePointer<ProtobufCMessage>, _ lent: [[UInt8]], into sink: inout MessageSink) {
    var buffer = PieceBuffer(lent)
    withUnsafeMutablePointer(to: &buffer) { buffer in
      var target = volery_buffer(base: ProtobufCBuffer(), owner: buffer)
      target.base.append = { base, count, data in
        guard let base, let data else { return }
        let target = UnsafeMutableRawPointer(base).assumingMemoryBound(to: volery_buffer.self)
        target.pointee.owner.assumingMemoryBound(to: PieceBuffer.self).pointee
          .append(UnsafeBufferPointer(start: data, count: count))
      }
      withUnsafeMutablePointer(to: &target) { target in
        let base = UnsafeMutableRawPointer(target).assumingMemoryBound(to: ProtobufCBuffer.self)
        _ = protobuf_c_message_pack_to_buffer(message, base)
      }
    }
    buffer.endPiece()
    for piece in buffer.pieces { sink.write(piece) }
  }

  private mutating func append(_ data: UnsafeBufferPointer<UInt8>) {
    if data.count >= MessageSink.sharedByteCount, let array = takeArray(data) {
      endPiece()
      pieces.append(array)
    } else {
      bytes.append(contentsOf: data)
    }
  }

  private mutating func endPiece() {
    guard !bytes.isEmpty else { return }
    pieces.append(bytes)
    bytes = []
  }

  /// The array whose bytes these are.
  private mutating func takeArray(_ data: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
    for step in lent.indices {
      let index = (next + step) % lent.count
      let isSame = lent[index].withUnsafeBufferPointer { $0.baseAddress == data.baseAddress && $0.count == data.count }
      if isSame {
        next = index + 1
        return lent[index]
      }
    }
    return nil
  }
}
