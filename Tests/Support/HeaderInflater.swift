import CNGHTTP2

/// Reads header blocks (RFC 7541), one connection's after another. By nghttp2.
package final class HeaderInflater {
  private let inflater: OpaquePointer

  package init() {
    var made: OpaquePointer?
    nghttp2_hd_inflate_new(&made)
    inflater = made!
  }

  deinit { nghttp2_hd_inflate_del(inflater) }

  /// - Returns: The fields up to the first fault, and whether there is none.
  package func fields(of block: [UInt8]) -> (fields: [(name: String, value: String)], isWhole: Bool) {
    var fields: [(name: String, value: String)] = []
    var rest = block[...]
    while true {
      var field = nghttp2_nv()
      var flags: Int32 = 0
      let used = rest.withUnsafeBufferPointer {
        nghttp2_hd_inflate_hd2(inflater, &field, &flags, $0.baseAddress, $0.count, 1)
      }
      guard used >= 0 else { return (fields, false) }
      rest = rest.dropFirst(used)
      if flags & Int32(NGHTTP2_HD_INFLATE_EMIT.rawValue) != 0 {
        func text(_ start: UnsafeMutablePointer<UInt8>?, _ count: Int) -> String {
          String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
        }
        fields.append((text(field.name, field.namelen), text(field.value, field.valuelen)))
      }
      if flags & Int32(NGHTTP2_HD_INFLATE_FINAL.rawValue) != 0 {
        nghttp2_hd_inflate_end_headers(inflater)
        return (fields, true)
      }
    }
  }
}
