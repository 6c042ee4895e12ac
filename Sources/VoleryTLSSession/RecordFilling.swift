import VoleryPlatform

/// Plain bytes in pieces, given on in parts that each make full records of TLS (RFC 8446, 5.1) as far as there is enough: the pieces
/// of HTTP/2 are frames' headers and payloads, and a record costs its encryption's beginning and end.
enum RecordFilling {
  /// A record has at most this much.
  static let recordByteCount = 16 << 10

  /// `give` returns whether to go on.
  static func fill(
    from pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>, _ give: (UnsafeRawBufferPointer) -> Bool
  ) {
    if pieces.count == 1 {
      _ = give(pieces[0])
      return
    }
    withUnsafeTemporaryAllocation(byteCount: recordByteCount, alignment: 16) { record in
      var filled = 0
      for piece in pieces {
        var rest = piece
        while let start = rest.baseAddress, !rest.isEmpty {
          let whole = filled == 0 ? rest.count / recordByteCount * recordByteCount : 0
          let taken = whole > 0 ? whole : min(rest.count, recordByteCount - filled)
          if whole > 0 {
            guard give(UnsafeRawBufferPointer(start: start, count: whole)) else { return }
          } else {
            memcpy(record.baseAddress! + filled, start, taken)
            filled += taken
            if filled == recordByteCount {
              filled = 0
              guard give(UnsafeRawBufferPointer(record)) else { return }
            }
          }
          rest = UnsafeRawBufferPointer(rebasing: rest[taken...])
        }
      }
      if filled > 0 { _ = give(UnsafeRawBufferPointer(rebasing: record[..<filled])) }
    }
  }
}
