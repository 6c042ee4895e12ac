/// How messages travel compressed (doc/compression.md).
public struct Compression: Hashable, Sendable, CustomStringConvertible {
  /// Not compressed.
  @inlinable public static var identity: Compression { Compression(known: 0) }
  /// What every implementation knows.
  @inlinable public static var gzip: Compression { Compression(known: 1) }
  /// The same algorithm in zlib's format (RFC 1950).
  @inlinable public static var deflate: Compression { Compression(known: 2) }

  package static let all = [identity, gzip, deflate]
  /// What both ends tell the other that they can read: `grpc-accept-encoding`.
  @inlinable package static var acceptedNames: String { "identity,deflate,gzip" }

  /// A number of its own, for atomics: its place in `all`.
  @usableFromInline package let code: UInt8

  @inlinable init(known code: UInt8) { self.code = code }

  package init(code: UInt8) {
    precondition(code < 3, "there is no such compression")
    self.code = code
  }

  /// Nil: an algorithm that is not known here.
  public init?(name: String) {
    guard let known = Compression.all.first(where: { $0.name == name }) else { return nil }
    self = known
  }

  /// Its name on the wire, in `grpc-encoding`.
  public var name: String {
    switch code {
    case 1: "gzip"
    case 2: "deflate"
    default: "identity"
    }
  }

  /// The same as `name`.
  public var description: String { name }
}

/// What a peer can read, as it says in `grpc-accept-encoding`.
package struct CompressionSet: Hashable, Sendable {
  private var bits: UInt8

  /// Only what is not compressed.
  package static let identity = CompressionSet(bits: 0)

  private init(bits: UInt8) { self.bits = bits }

  /// Reads a header's value: names with commas between them. Unknown ones are passed over.
  package init(_ list: UnsafeRawBufferPointer) {
    bits = 0
    for part in list.split(separator: UInt8(ascii: ",")) {
      let name = part.drop { $0 == UInt8(ascii: " ") }.prefix { $0 != UInt8(ascii: " ") }
      if name.elementsEqual("gzip".utf8) { bits |= 1 << Compression.gzip.code }
      if name.elementsEqual("deflate".utf8) { bits |= 1 << Compression.deflate.code }
    }
  }

  package init(_ list: String) { self = Array(list.utf8).withUnsafeBytes { CompressionSet($0) } }

  package func contains(_ compression: Compression) -> Bool {
    compression == .identity || bits & 1 << compression.code != 0
  }
}
