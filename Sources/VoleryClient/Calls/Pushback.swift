import VoleryTypes

/// What a server says of further attempts with `grpc-retry-pushback-ms` (gRFC A6).
enum Pushback: Equatable {
  case none
  case after(Duration)
  /// A negative value, one that is no number, or several.
  case stop

  init(_ metadata: Metadata) {
    let values = metadata.isEmpty ? [] : metadata.values("grpc-retry-pushback-ms")
    guard let first = values.first else {
      self = .none
      return
    }
    if values.count == 1, let milliseconds = Int64(first), milliseconds >= 0 {
      self = .after(.milliseconds(milliseconds))
    } else {
      self = .stop
    }
  }
}
