package import VoleryTypes

/// Whose names metrics and traces have: gRPC's own (gRFC A66, A72), or OpenTelemetry's for all RPC systems, whose page gives the
/// mapping between them (semantic conventions, non-normative/compatibility/grpc).
public enum TelemetryConventions: Hashable, Sendable {
  /// gRPC's.
  case grpc
  /// OpenTelemetry's, where they have a name for it.
  case openTelemetry
  /// Both, for the time of a change.
  case both

  /// What a value of `OTEL_SEMCONV_STABILITY_OPT_IN` asks for: a list with commas, of which `rpc` and `rpc/dup` concern RPC;
  /// `rpc/dup` wins. Gives `grpc` for nil, and for a list without either.
  public init(optIn list: String?) {
    let words = (list ?? "").split(separator: ",").map { $0.drop { $0 == " " } }.map { word in
      word.prefix { $0 != " " }
    }
    self = words.contains("rpc/dup") ? .both : words.contains("rpc") ? .openTelemetry : .grpc
  }

  package var usesGRPC: Bool { self != .openTelemetry }
  package var usesOpenTelemetry: Bool { self != .grpc }
}

extension MethodDescriptor {
  /// `package.Service/Method`, as labels and spans have it.
  package var fullName: String { "\(service)/\(name)" }
}

extension StatusCode {
  /// Whether OpenTelemetry's conventions call it an error of the server: the client's own faults are none.
  package var isServerError: Bool {
    [.unknown, .deadlineExceeded, .unimplemented, .internal, .unavailable, .dataLoss].contains(self)
  }
}
