/// The outcome of an RPC as a number: gRPC's 17 codes (grpc/grpc doc/statuscodes.md).
///
/// A code that is not one of the 17 arrives as `unknown` (doc/PROTOCOL-HTTP2.md, Responses).
public struct StatusCode: Hashable, Sendable, CustomStringConvertible {
  /// The number on the wire, 0 to 16.
  public let rawValue: Int

  private init(_ rawValue: Int) { self.rawValue = rawValue }

  /// The code with this number, or nil when the number is not one of the 17.
  public init?(rawValue: Int) {
    guard StatusCode.names.indices.contains(rawValue) else { return nil }
    self.rawValue = rawValue
  }

  public static let ok = StatusCode(0)
  public static let cancelled = StatusCode(1)
  public static let unknown = StatusCode(2)
  public static let invalidArgument = StatusCode(3)
  public static let deadlineExceeded = StatusCode(4)
  public static let notFound = StatusCode(5)
  public static let alreadyExists = StatusCode(6)
  public static let permissionDenied = StatusCode(7)
  public static let resourceExhausted = StatusCode(8)
  public static let failedPrecondition = StatusCode(9)
  public static let aborted = StatusCode(10)
  public static let outOfRange = StatusCode(11)
  public static let unimplemented = StatusCode(12)
  public static let `internal` = StatusCode(13)
  public static let unavailable = StatusCode(14)
  public static let dataLoss = StatusCode(15)
  public static let unauthenticated = StatusCode(16)

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
