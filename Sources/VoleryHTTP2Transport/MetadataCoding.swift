import VoleryHTTP2Session
import VoleryPlatform
import VoleryPrimitives
import VoleryTransport
import VoleryTypes

/// Metadata as HTTP/2 header fields: `-bin` values in base64, other values without spaces at their ends (RFC 9113, 8.2.1;
/// doc/PROTOCOL-HTTP2.md, Custom-Metadata), reserved names left out.
enum MetadataCoding {
  static func append(_ metadata: Metadata, to headers: inout HeaderList) {
    guard !metadata.isEmpty else { return }
    metadata.forEachEntry { key, value in
      if key.ends(with: "-bin") {
        var text: [UInt8] = []
        Base64.append(value, to: &text, isPadded: false)
        text.withUnsafeBytes { headers.append(name: key, value: $0) }
      } else {
        headers.append(name: key, value: value.trimmed)
      }
    }
  }

  /// Adds a received field; false when it is a `-bin` one that is not base64. What is not a `-bin` one waits in
  /// `plainFields`, which the caller moves over at the end.
  static func add(_ field: HeaderField, to metadata: inout Metadata, _ plainFields: inout PlainFields) -> Bool {
    let (name, value) = (field.name, field.value)
    guard name.ends(with: "-bin") else {
      plainFields.append(field)
      return true
    }
    plainFields.move(to: &metadata)
    // Several values may be joined by commas.
    for part in value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
      guard let decoded = Base64.decode(UnsafeRawBufferPointer(rebasing: part).trimmed) else { return false }
      decoded.withUnsafeBytes { metadata.appendRaw(key: name, value: $0) }
    }
    return true
  }
}

/// Received fields that become metadata as they are: they stand in their block as `Metadata` keeps its entries. Collected
/// in memory of the caller's, so that all of them together cost one array.
struct PlainFields {
  private let memory: UnsafeMutableRawBufferPointer
  private var byteCount = 0

  /// - Parameter memory: As large as the block.
  init(in memory: UnsafeMutableRawBufferPointer) { self.memory = memory }

  mutating func append(_ field: HeaderField) {
    let bytes = field.bytes
    UnsafeMutableRawBufferPointer(rebasing: memory[byteCount...]).copyMemory(from: bytes)
    byteCount += bytes.count
  }

  mutating func move(to metadata: inout Metadata) {
    guard byteCount > 0 else { return }
    metadata.appendEntries(UnsafeRawBufferPointer(rebasing: memory[..<byteCount]))
    byteCount = 0
  }
}

extension UnsafeRawBufferPointer {
  func equals(_ text: StaticString) -> Bool {
    count == text.utf8CodeUnitCount && memcmp(baseAddress!, text.utf8Start, count) == 0
  }

  func starts(with text: StaticString) -> Bool {
    count >= text.utf8CodeUnitCount && memcmp(baseAddress!, text.utf8Start, text.utf8CodeUnitCount) == 0
  }

  var text: String { String(decoding: self, as: UTF8.self) }

  /// The number of 1 to 9 digits, without a sign; nil for anything else.
  var digits: Int? {
    guard 1...9 ~= count, allSatisfy({ $0 &- UInt8(ascii: "0") < 10 }) else { return nil }
    return reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
  }
}

extension HeaderExcess {
  /// What a server says of a response's metadata, the initial or the trailing one, that its client does not take.
  func text(_ which: String) -> String {
    MetadataExcess(
      "the response's \(which) metadata", byteCount: byteCount, limit: limit, of: "the client", largestKey: largestName,
      largestByteCount: largestByteCount
    ).description
  }
}
