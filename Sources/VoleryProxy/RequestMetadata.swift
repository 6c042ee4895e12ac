import VoleryPlatform
import VoleryTypes

/// What the proxy makes of a request's metadata: fields of one hop are dropped, and the call is told where it came through.
struct RequestMetadata {
  private(set) var metadata: Metadata
  /// Proxies that the call has come through.
  private(set) var hops = 0
  /// What stood in `x-forwarded-for`, in order.
  private var forwardedFor: [UInt8] = []
  private var proxiedBy: [UInt8] = []

  static let forwardedForKey: StaticString = "x-forwarded-for"
  static let proxiedByKey: StaticString = "x-proxied-by"

  /// - Parameters:
  ///   - client: The client's address, as `x-forwarded-for` has it.
  ///   - name: The proxy's.
  ///   - identityKey: What only the proxy says: what the client has sent under this key is taken out. Empty: nothing is.
  ///   - identity: What the proxy says there; nil: nothing.
  init(
    _ received: consuming Metadata, client: String, name: String, identityKey: [UInt8] = [], identity: String? = nil
  ) {
    metadata = received
    var isPlain = true
    metadata.forEachEntry { key, _ in
      if RequestMetadata.isSpecial(key) || RequestMetadata.equals(key, identityKey) { isPlain = false }
    }
    if !isPlain { takeOut(identityKey) }
    if let identity, !identityKey.isEmpty { add(identityKey, identity) }
    appendLists(client, name)
  }

  /// What the call came through, and this proxy behind it.
  private mutating func appendLists(_ client: String, _ name: String) {
    var (client, name) = (client, name)
    let (forwardedFor, proxiedBy) = (forwardedFor, proxiedBy)
    client.withUTF8 { client in
      name.withUTF8 { name in
        forwardedFor.withUnsafeBytes { forwardedFor in
          proxiedBy.withUnsafeBytes { proxiedBy in
            metadata.append(
              .init(RequestMetadata.forwardedForKey, forwardedFor, UnsafeRawBufferPointer(client)),
              .init(RequestMetadata.proxiedByKey, proxiedBy, UnsafeRawBufferPointer(name)))
          }
        }
      }
    }
  }

  /// Lists are put together to one field; the rest stays as it is, in its order.
  private mutating func takeOut(_ identityKey: [UInt8]) {
    var kept = Metadata()
    metadata.forEachEntry { key, value in
      if RequestMetadata.equals(key, RequestMetadata.forwardedForKey) {
        append(value, to: &forwardedFor)
      } else if RequestMetadata.equals(key, RequestMetadata.proxiedByKey) {
        hops += value.reduce(1) { $0 + ($1 == UInt8(ascii: ",") ? 1 : 0) }
        append(value, to: &proxiedBy)
      } else if !RequestMetadata.isOfOneHop(key), !RequestMetadata.equals(key, identityKey) {
        kept.appendRaw(key: key, value: value)
      }
    }
    metadata = kept
  }

  private mutating func add(_ key: [UInt8], _ value: String) {
    var value = value
    key.withUnsafeBytes { key in value.withUTF8 { metadata.appendRaw(key: key, value: UnsafeRawBufferPointer($0)) } }
  }

  private func append(_ value: UnsafeRawBufferPointer, to list: inout [UInt8]) {
    guard !list.isEmpty else {
      list = Array(value)
      return
    }
    list += [UInt8(ascii: ","), UInt8(ascii: " ")]
    list.append(contentsOf: value)
  }

  /// A bit for each length that one of those names has: most keys have another.
  private static let specialLengths = 1 << 7 | 1 << 12 | 1 << 14 | 1 << 15 | 1 << 18 | 1 << 19 as UInt32

  private static func isSpecial(_ key: UnsafeRawBufferPointer) -> Bool {
    guard key.count < 32, specialLengths & 1 << key.count != 0 else { return false }
    return equals(key, forwardedForKey) || equals(key, proxiedByKey) || isOfOneHop(key)
  }

  /// Those that HTTP/2 forbids never come here. The length of the body is that of its frames.
  private static func isOfOneHop(_ key: UnsafeRawBufferPointer) -> Bool {
    equals(key, "content-length") || equals(key, "proxy-authorization") || equals(key, "proxy-authenticate")
      || equals(key, "trailer")
  }

  private static func equals(_ key: UnsafeRawBufferPointer, _ name: StaticString) -> Bool {
    let count = name.utf8CodeUnitCount
    guard key.count == count, let start = key.baseAddress else { return false }
    return memcmp(start, name.utf8Start, count) == 0
  }

  private static func equals(_ key: UnsafeRawBufferPointer, _ name: [UInt8]) -> Bool {
    key.count == name.count && key.elementsEqual(name)
  }
}
