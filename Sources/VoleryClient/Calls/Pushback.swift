package import VoleryTypes

/// What a server says of further attempts with `grpc-retry-pushback-ms` (gRFC A6).
package enum Pushback: Equatable {
  case none
  case after(Duration)
  /// A negative value, one that is no number, or several.
  case stop

  /// No server is waited for any longer than this, whatever it says (and none beyond the call's deadline): two minutes, as
  /// the longest wait between attempts to connect (doc/connection-backoff.md).
  package static let longest = Duration.seconds(120)

  package init(_ metadata: Metadata) {
    let values = metadata.isEmpty ? [] : metadata.values("grpc-retry-pushback-ms")
    guard let first = values.first else {
      self = .none
      return
    }
    guard values.count == 1, !first.isEmpty, first.utf8.allSatisfy({ $0 &- 0x30 < 10 }) else {
      self = .stop
      return
    }
    // Too large for a number is a number still.
    self = .after(Int64(first).map { min(.milliseconds($0), Pushback.longest) } ?? Pushback.longest)
  }
}
