/// The outcome of an RPC as a number: gRPC's 17 codes (grpc/grpc doc/statuscodes.md).
///
/// A code that is not one of the 17 arrives as `unknown` (doc/PROTOCOL-HTTP2.md, Responses).
public struct StatusCode: Hashable, Sendable, CustomStringConvertible {
  /// The number on the wire, 0 to 16.
  public let rawValue: Int

  @inlinable init(_ rawValue: Int) { self.rawValue = rawValue }

  /// The code with this number, or nil when the number is not one of the 17.
  public init?(rawValue: Int) {
    guard StatusCode.names.indices.contains(rawValue) else { return nil }
    self.rawValue = rawValue
  }

  /// 0: success.
  @inlinable public static var ok: StatusCode { StatusCode(0) }
  /// 1: the caller gave up, or was cancelled itself.
  @inlinable public static var cancelled: StatusCode { StatusCode(1) }
  /// 2: an error of a kind that nobody has named: a handler threw something other than a `StatusError`, or a code out of
  /// range came.
  @inlinable public static var unknown: StatusCode { StatusCode(2) }
  /// 3: the arguments are wrong whatever the state of the system (unlike `failedPrecondition` and `outOfRange`).
  @inlinable public static var invalidArgument: StatusCode { StatusCode(3) }
  /// 4: the deadline came first. The server may have done the work all the same.
  @inlinable public static var deadlineExceeded: StatusCode { StatusCode(4) }
  /// 5: what was asked for does not exist, for nobody of a whole class of callers.
  @inlinable public static var notFound: StatusCode { StatusCode(5) }
  /// 6: what was to be made is there already.
  @inlinable public static var alreadyExists: StatusCode { StatusCode(6) }
  /// 7: the caller is known and may not. Not for a caller who is not known (`unauthenticated`).
  @inlinable public static var permissionDenied: StatusCode { StatusCode(7) }
  /// 8: a quota, a limit or a space is used up; a message over the size limit, too.
  @inlinable public static var resourceExhausted: StatusCode { StatusCode(8) }
  /// 9: the system is not in the state that the call needs; trying again helps only once somebody has changed that.
  @inlinable public static var failedPrecondition: StatusCode { StatusCode(9) }
  /// 10: given up for a conflict, such as a lost transaction; to be tried again from the start of the larger operation.
  @inlinable public static var aborted: StatusCode { StatusCode(10) }
  /// 11: past the valid range as things are now, such as reading past the end; may become valid later.
  @inlinable public static var outOfRange: StatusCode { StatusCode(11) }
  /// 12: the server has no such method, or not this feature of it (compression, for example).
  @inlinable public static var unimplemented: StatusCode { StatusCode(12) }
  /// 13: something that must never happen has happened, such as bytes that are no message.
  @inlinable public static var `internal`: StatusCode { StatusCode(13) }
  /// 14: the service can't be reached now; most often mended by trying again with a backoff.
  @inlinable public static var unavailable: StatusCode { StatusCode(14) }
  /// 15: data is lost or damaged for good.
  @inlinable public static var dataLoss: StatusCode { StatusCode(15) }
  /// 16: who calls is not known: no credentials, or none that hold.
  @inlinable public static var unauthenticated: StatusCode { StatusCode(16) }

  /// Every code, in the order of its number.
  public static let all: [StatusCode] = names.indices.map(StatusCode.init(_:))

  /// The specification's spelling, for example "DEADLINE_EXCEEDED".
  public var description: String { StatusCode.names[rawValue] }

  /// The code with the specification's spelling, as service configs write it; nil when unknown.
  public init?(name: some StringProtocol) {
    guard let number = StatusCode.names.firstIndex(where: { $0 == name }) else { return nil }
    self.rawValue = number
  }

  private static let names = [
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
  ]
}
