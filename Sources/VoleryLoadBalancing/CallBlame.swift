import VoleryTypes

/// What a call's end says of its server.
enum CallBlame {
  /// It has answered, with whatever is the request's own.
  case request
  /// It has failed: UNAVAILABLE, or its own RESOURCE_EXHAUSTED, INTERNAL or UNKNOWN.
  case server
  /// It has not answered before the deadline.
  case silence
  /// The caller has given the call up.
  case nobody

  init(_ code: StatusCode, _ origin: StatusError.Origin) {
    switch (code, origin) {
    case (.cancelled, .local): self = .nobody
    case (.deadlineExceeded, .local): self = .silence
    case (.unavailable, _), (.resourceExhausted, .peer), (.internal, .peer), (.unknown, .peer): self = .server
    default: self = .request
    }
  }

  var isServers: Bool { self == .server || self == .silence }
}
