import VoleryHTTP2Session
import VoleryTypes

/// Metadata as HTTP/2 header fields: `-bin` values in base64, reserved names left out.
enum MetadataCoding {
  static func append(_ metadata: Metadata, to headers: inout HeaderList) {
    guard !metadata.isEmpty else { return }
    metadata.forEachEntry { key, value in
      if key.ends(with: "-bin") {
        Base64.encode(value).withUnsafeBytes { headers.append(name: key, value: $0) }
      } else {
        headers.append(name: key, value: value)
      }
    }
  }

  /// Adds a received field; false when it is a `-bin` one that is not base64.
  static func add(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, to metadata: inout Metadata) -> Bool
  {
    guard name.ends(with: "-bin") else {
      metadata.appendReceived(key: name, value: value)
      return true
    }
    // Several values may be joined by commas.
    for part in value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
      let trimmed = part.drop { $0 == 0x20 }
      guard let decoded = Base64.decode(trimmed) else { return false }
      decoded.withUnsafeBytes { metadata.appendRaw(key: name, value: $0) }
    }
    return true
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
}

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif
