import VoleryPlatform

/// Binary addresses as literals.
enum AddressText {
  static func of(_ address: UnsafeRawPointer, family: Int32) -> String? {
    var buffer = [CChar](repeating: 0, count: 64)
    guard inet_ntop(family, address, &buffer, 64) != nil else { return nil }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
