package import VoleryTypes

/// The configuration of `ring_hash_experimental` (gRFC A42, A76), as a service config has it.
package struct RingHashConfiguration: Hashable, Sendable {
  /// Neither bound is named: the ring is this package's own (`HashRing`), of at most `size`'s upper bound.
  package let isSteady: Bool
  /// How many hashes the ring may have.
  package let size: ClosedRange<Int>
  /// In lower case; nil: the config selector says the hash of each call.
  let header: String?

  static let defaultSize = 1024
  /// What a configuration may name; above it, it is refused.
  static let limit = 8 * 1024 * 1024
  /// What a client makes of it, as a ring is memory and time in each client: 64 KiB or so.
  static let defaultCap = 4096

  /// - Parameter environment: `GRPC_RING_HASH_CAP` is another cap, as for other implementations.
  package init(_ reader: ConfigReader, environment: (String) -> String?) throws(ServiceConfigError) {
    let named = environment("GRPC_RING_HASH_CAP").flatMap { Int($0) } ?? RingHashConfiguration.defaultCap
    let cap = min(max(named, 1), RingHashConfiguration.limit)
    let least = try RingHashConfiguration.count(reader, "minRingSize", "min_ring_size")
    let most = try RingHashConfiguration.count(reader, "maxRingSize", "max_ring_size")
    guard (least ?? 1) <= (most ?? RingHashConfiguration.limit) else {
      throw reader.error("minRingSize", "is above maxRingSize")
    }
    isSteady = least == nil && most == nil
    let upper = min(most ?? cap, cap)
    size = min(least ?? RingHashConfiguration.defaultSize, upper)...upper
    let name = try reader.either("requestHashHeader", "request_hash_header", ConfigReader.string)?.lowercased()
    if let name, !name.isEmpty {
      let fault = Metadata(dictionaryLiteral: (name, "x")).violation
      guard fault == nil, !name.hasSuffix("-bin") else {
        throw reader.error("requestHashHeader", "is not the name of a header with a text")
      }
      header = name
    } else {
      header = nil
    }
  }

  private static func count(_ reader: ConfigReader, _ name: String, _ other: String) throws(ServiceConfigError) -> Int?
  {
    guard let count = try reader.either(name, other, ConfigReader.wholeNumber) else { return nil }
    guard (1...limit).contains(count) else { throw reader.error(name, "must be from 1 to \(limit)") }
    return count
  }
}
