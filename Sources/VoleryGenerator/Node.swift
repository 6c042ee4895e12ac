import VoleryProtobuf

/// A protobuf message read without its .proto: values by field number. The plugin reads descriptors this way, because it
/// is what makes the code that would read them.
struct Node {
  private var values: [Int: [Value]] = [:]
  let bytes: [UInt8]

  private enum Value {
    case number(UInt64)
    case bytes([UInt8])
  }

  init(_ bytes: [UInt8]) throws(ProtobufError) {
    self.bytes = bytes
    var failure: ProtobufError?
    var values: [Int: [Value]] = [:]
    bytes.withUnsafeBytes { raw in
      do throws(ProtobufError) {
        var reader = WireReader(raw)
        while let field = try reader.next() {
          switch field.value {
          case .varint(let value), .fixed64(let value): values[field.number, default: []].append(.number(value))
          case .fixed32(let value): values[field.number, default: []].append(.number(UInt64(value)))
          case .bytes(let value), .group(let value): values[field.number, default: []].append(.bytes(Array(value)))
          }
        }
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    self.values = values
  }

  /// The numbers of the fields that are there, in ascending order.
  var numbers: [Int] { values.keys.sorted() }

  func string(_ number: Int) -> String? { data(number).map { String(decoding: $0, as: UTF8.self) } }

  func strings(_ number: Int) -> [String] { allData(number).map { String(decoding: $0, as: UTF8.self) } }

  func int(_ number: Int) -> Int? {
    if case .number(let value)? = values[number]?.last { Int(truncatingIfNeeded: value) } else { nil }
  }

  func bool(_ number: Int) -> Bool? { int(number).map { $0 != 0 } }

  func node(_ number: Int) throws(ProtobufError) -> Node? {
    // The pieces of a message that comes several times are one message (merge).
    let pieces = allData(number)
    return pieces.isEmpty ? nil : try Node(Array(pieces.joined()))
  }

  func nodes(_ number: Int) throws(ProtobufError) -> [Node] {
    var nodes: [Node] = []
    for data in allData(number) { nodes.append(try Node(data)) }
    return nodes
  }

  /// A repeated number, packed or not.
  func ints(_ number: Int) -> [Int] {
    (values[number] ?? []).flatMap { value -> [Int] in
      switch value {
      case .number(let value): return [Int(truncatingIfNeeded: value)]
      case .bytes(let bytes):
        var numbers: [Int] = []
        var value: UInt64 = 0
        var shift: UInt64 = 0
        for byte in bytes {
          value |= UInt64(byte & 0x7f) << shift
          shift += 7
          if byte < 0x80 {
            numbers.append(Int(truncatingIfNeeded: value))
            value = 0
            shift = 0
          }
        }
        return numbers
      }
    }
  }

  private func data(_ number: Int) -> [UInt8]? { allData(number).last }

  private func allData(_ number: Int) -> [[UInt8]] {
    (values[number] ?? []).compactMap { if case .bytes(let bytes) = $0 { bytes } else { nil } }
  }
}
