/// A message of descriptor.proto, read by field numbers: the runtime has no generated code for its own descriptors.
package struct DescriptorNode {
  private var numbers: [Int: UInt64] = [:]
  private var contents: [Int: [[UInt8]]] = [:]

  /// What is malformed is left out, and all that comes after it: the bytes come from the plugin.
  package init(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { raw in
      var reader = WireReader(raw)
      while let field = try? reader.next() {
        switch field.value {
        case .varint(let value), .fixed64(let value): numbers[field.number] = value
        case .fixed32(let value): numbers[field.number] = UInt64(value)
        case .bytes(let value), .group(let value): contents[field.number, default: []].append(Array(value))
        }
      }
    }
  }

  package func int(_ number: Int) -> Int? { numbers[number].map { Int(truncatingIfNeeded: $0) } }
  package func bool(_ number: Int) -> Bool? { numbers[number].map { $0 != 0 } }
  package func string(_ number: Int) -> String? { contents[number]?.last.map { String(decoding: $0, as: UTF8.self) } }
  package func strings(_ number: Int) -> [String] {
    contents[number, default: []].map { String(decoding: $0, as: UTF8.self) }
  }
  package func nodes(_ number: Int) -> [DescriptorNode] { contents[number, default: []].map(DescriptorNode.init) }

  /// The pieces of a message that comes several times are one message.
  package func node(_ number: Int) -> DescriptorNode? { contents[number].map { DescriptorNode(Array($0.joined())) } }
}

/// What syntax or edition decide (descriptor.proto, FeatureSet), resolved for one place of a file.
struct FeatureSet {
  enum Presence { case explicit, implicit, required }

  var presence: Presence
  var isClosed: Bool
  var isPacked: Bool
  var isDelimited = false

  init(file: DescriptorNode) {
    let syntax = file.string(12) ?? "proto2"
    presence = syntax == "proto3" ? .implicit : .explicit
    isClosed = syntax == "proto2"
    isPacked = syntax != "proto2"
    self = applying(file.node(8)?.node(50))
  }

  func applying(_ node: DescriptorNode?) -> FeatureSet {
    guard let node else { return self }
    var features = self
    switch node.int(1) {
    case 1: features.presence = .explicit
    case 2: features.presence = .implicit
    case 3: features.presence = .required
    default: break
    }
    if let kind = node.int(2) { features.isClosed = kind == 2 }
    if let encoding = node.int(3) { features.isPacked = encoding == 1 }
    if let encoding = node.int(5) { features.isDelimited = encoding == 2 }
    return features
  }
}
