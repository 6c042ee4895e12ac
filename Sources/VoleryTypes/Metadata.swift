import VoleryPlatform

/// Key-value pairs that travel beside messages: initial metadata before them, trailing metadata after them.
///
/// Keys are lower-case ASCII (letters, digits, `_`, `-`, `.`); upper case is folded when a key is given. A key may occur
/// several times, and the order of its values is kept. Keys that end in `-bin` hold bytes, all others printable ASCII
/// (doc/PROTOCOL-HTTP2.md, Custom-Metadata). What can't travel (a bad character, a key that starts with `grpc-` or `:`)
/// is kept here and refused when the call is made, with INTERNAL and the key's name.
///
/// One flat byte buffer, so that an empty one costs nothing and a received one costs one allocation.
public struct Metadata: Sendable, Hashable {
  /// Entries one after another: key length, value length (both UInt32, native order), key bytes, value bytes.
  /// Values of `-bin` keys are the decoded bytes.
  @usableFromInline package private(set) var storage: [UInt8] = []

  /// Metadata without entries; costs no allocation.
  @inlinable public init() {}

  /// True while there is no entry.
  @inlinable public var isEmpty: Bool { storage.isEmpty }

  /// The number of key-value pairs.
  public var count: Int { reduce(into: 0) { count, _ in count += 1 } }

  /// Size by HTTP/2's rule: name + value + 32 bytes an entry, `-bin` values before base64.
  package var byteCount: Int {
    var total = 0
    forEachEntry { key, value in total += key.count + value.count + 32 }
    return total
  }

  /// The first ASCII value of a key; setting replaces all of its values, nil removes them.
  public subscript(key: String) -> String? {
    get { firstValue(of: key).map { String(decoding: $0, as: UTF8.self) } }
    set {
      removeAll(key)
      if let newValue { append(newValue, for: key) }
    }
  }

  /// The first value of a `-bin` key; setting replaces all of its values, nil removes them.
  public subscript(binary key: String) -> [UInt8]? {
    get { firstValue(of: key) }
    set {
      removeAll(key)
      if let newValue { append(binary: newValue, for: key) }
    }
  }

  /// Every ASCII value of a key, in order.
  public func values(_ key: String) -> [String] { allValues(of: key).map { String(decoding: $0, as: UTF8.self) } }

  /// Every value of a `-bin` key, in order.
  public func binaryValues(_ key: String) -> [[UInt8]] { allValues(of: key) }

  /// Adds a value behind those that the key has already. What can't travel is found when the call is made, not here.
  ///
  /// - Parameters:
  ///   - value: Printable ASCII (0x20 to 0x7E); spaces and tabs at its ends don't arrive.
  ///   - key: Folded to lower case. Its value is bytes where it ends in `-bin`: use `append(binary:for:)` then.
  public mutating func append(_ value: String, for key: String) {
    var value = value
    var key = key
    key.withUTF8 { key in value.withUTF8 { value in appendRaw(key: .init(key), value: .init(value)) } }
  }

  /// Adds bytes behind the values that the key has already; they travel as base64.
  ///
  /// - Precondition: `key` ends in `-bin`.
  public mutating func append(binary value: [UInt8], for key: String) {
    precondition(key.hasSuffix("-bin"), "binary metadata needs a key that ends in -bin, not '\(key)'")
    var key = key
    key.withUTF8 { key in value.withUnsafeBytes { value in appendRaw(key: .init(key), value: value) } }
  }

  /// Adds all entries of the other behind these, in their order; the values of a key that both have stand side by side.
  public mutating func append(contentsOf other: Metadata) {
    storage.append(contentsOf: other.storage)
  }

  /// Removes every value of a key, in whatever case it is given; nothing happens where there is none.
  public mutating func removeAll(_ key: String) {
    guard !storage.isEmpty else { return }
    var kept = Metadata()
    var key = key.lowercased()
    key.withUTF8 { wanted in
      forEachEntry { key, value in if !key.equals(wanted) { kept.appendRaw(key: key, value: value) } }
    }
    storage = kept.storage
  }

  /// Appends what came from HTTP/2, where names are lower case already: entries as `storage` has them.
  package mutating func appendEntries(_ entries: UnsafeRawBufferPointer) {
    if storage.isEmpty {
      storage = Array(entries)
    } else {
      storage.append(contentsOf: UnsafeBufferPointer(entries))
    }
  }

  /// Appends without looking at the value; the key is folded to lower case.
  package mutating func appendRaw(key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
    let needed = storage.count + 8 + key.count + value.count
    // One entry takes what it needs; further ones take twice as much each time.
    if storage.capacity < needed { storage.reserveCapacity(Swift.max(needed, 2 * storage.capacity)) }
    appendLength(key.count)
    appendLength(value.count)
    for byte in key { storage.append(byte &- 0x41 < 26 ? byte | 0x20 : byte) }
    storage.append(contentsOf: UnsafeBufferPointer(value))
  }

  private mutating func appendLength(_ length: Int) {
    withUnsafeBytes(of: UInt32(length)) { storage.append(contentsOf: UnsafeBufferPointer($0)) }
  }

  /// Folds the key as it compares, and makes no other string of it: interceptors ask for one in every call.
  private func firstValue(of key: String) -> [UInt8]? {
    guard !storage.isEmpty else { return nil }
    var key = key
    return key.withUTF8 { wanted in
      storage.withUnsafeBytes { bytes in
        var offset = 0
        while offset < bytes.count {
          let entry = Metadata.entry(in: bytes, at: offset)
          if entry.key.count == wanted.count, Metadata.folded(wanted, equals: bytes[entry.key]) {
            return Array(bytes[entry.value])
          }
          offset = entry.value.upperBound
        }
        return nil
      }
    }
  }

  private static func folded(_ key: UnsafeBufferPointer<UInt8>, equals name: Slice<UnsafeRawBufferPointer>) -> Bool {
    zip(key, name).allSatisfy { byte, known in (byte &- 0x41 < 26 ? byte | 0x20 : byte) == known }
  }

  private func allValues(of key: String) -> [[UInt8]] {
    var found: [[UInt8]] = []
    var key = key.lowercased()
    key.withUTF8 { wanted in
      forEachEntry { key, value in if key.equals(wanted) { found.append(Array(value)) } }
    }
    return found
  }
}

extension Metadata: Sequence {
  /// One key-value pair.
  public struct Element: Hashable, Sendable {
    /// In lower case, as it travels.
    public let key: String
    /// Bytes for a key that ends in `-bin`, text for any other.
    public let value: ElementValue
  }

  /// A value as its key says that it is.
  public enum ElementValue: Hashable, Sendable {
    /// The value of a key that does not end in `-bin`.
    case text(String)
    /// The value of a key that ends in `-bin`, its base64 taken off.
    case binary([UInt8])
  }

  /// The entries in the order in which they were added or have arrived; a key with several values comes once for each.
  public func makeIterator() -> IndexingIterator<[Element]> {
    var elements: [Element] = []
    forEachEntry { keyBytes, value in
      let key = String(decoding: keyBytes, as: UTF8.self)
      let isBinary = key.hasSuffix("-bin")
      let value: ElementValue = isBinary ? .binary(Array(value)) : .text(String(decoding: value, as: UTF8.self))
      elements.append(Element(key: key, value: value))
    }
    return elements.makeIterator()
  }
}

extension Metadata: ExpressibleByDictionaryLiteral {
  /// Entries in the order of the literal, each as `append(_:for:)` adds it; a key may stand there several times.
  public init(dictionaryLiteral elements: (String, String)...) {
    for (key, value) in elements { append(value, for: key) }
  }
}

extension Metadata: CustomStringConvertible, CustomReflectable {
  /// The keys only: values may be secrets and do not belong into a log.
  public var description: String { "Metadata(\(map(\.key).joined(separator: ", ")))" }

  /// The same for `dump`, and for whatever reflects what metadata is a part of.
  public var customMirror: Mirror { Mirror(self, unlabeledChildren: map(\.key)) }
}

extension Metadata {
  /// Why this metadata can't travel with a request, naming the key; nil when it can.
  package var violation: String? { violation { $0.starts(with: "grpc-".utf8) } }

  /// The same for a response: a handler may say what the protocol has for it, its pushback (`grpc-retry-pushback-ms`) and
  /// its details (`grpc-status-details-bin`), but not what the library says itself.
  package var responseViolation: String? {
    violation { key in
      Metadata.ownResponseKeys.contains { $0.utf8CodeUnitCount == key.count && key.ends(with: $0) }
    }
  }

  private static let ownResponseKeys: [StaticString] = [
    "grpc-status", "grpc-message", "grpc-encoding", "grpc-accept-encoding",
  ]

  private func violation(_ isReserved: (UnsafeRawBufferPointer) -> Bool) -> String? {
    var text: String?
    forEachEntry { key, value in
      guard text == nil else { return }
      let name = { String(decoding: key, as: UTF8.self) }
      if key.isEmpty || !key.allSatisfy(Metadata.isKeyByte) {
        text = "metadata key '\(name())' has a character other than letters, digits, '_', '-' and '.'"
      } else if isReserved(key) {
        text = "metadata key '\(name())' starts with 'grpc-', which is reserved for gRPC"
      } else if !key.ends(with: "-bin"), !value.allSatisfy({ $0 >= 0x20 && $0 <= 0x7e }) {
        text = "the value of metadata key '\(name())' is not printable ASCII; use a key that ends in '-bin'"
      }
    }
    return text
  }

  /// Of a key in lower case.
  package static func isKeyByte(_ byte: UInt8) -> Bool {
    byte &- 0x61 < 26 || byte &- 0x30 < 10 || byte == 0x2d || byte == 0x5f || byte == 0x2e
  }
}

extension Metadata {
  /// What arrives of it at the other end of a connection: values other than those of `-bin` keys without spaces and tabs at
  /// their ends.
  package var asReceived: Metadata {
    var isPadded = false
    forEachEntry { key, value in
      if value.trimmed.count != value.count, !key.ends(with: "-bin") { isPadded = true }
    }
    guard isPadded else { return self }
    var trimmed = Metadata()
    forEachEntry { key, value in trimmed.appendRaw(key: key, value: key.ends(with: "-bin") ? value : value.trimmed) }
    return trimmed
  }
}

extension UnsafeRawBufferPointer {
  /// Without spaces and tabs at its ends.
  package var trimmed: UnsafeRawBufferPointer {
    guard let first, let last, first <= 0x20 || last <= 0x20 else { return self }
    func isPadding(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
    var range = 0..<count
    while let first = range.first, isPadding(self[first]) { range = (first + 1)..<range.upperBound }
    while let last = range.last, isPadding(self[last]) { range = range.lowerBound..<last }
    return UnsafeRawBufferPointer(rebasing: self[range])
  }

  fileprivate func equals(_ other: UnsafeBufferPointer<UInt8>) -> Bool { count == other.count && elementsEqual(other) }

  package func ends(with suffix: StaticString) -> Bool {
    let length = suffix.utf8CodeUnitCount
    guard count >= length, length > 0 else { return false }
    return memcmp(baseAddress! + (count - length), suffix.utf8Start, length) == 0
  }
}
