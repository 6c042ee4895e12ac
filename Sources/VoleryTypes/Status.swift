/// How an RPC ended: a code and a text for people. `Status.ok` is success.
public struct Status: Hashable, Sendable, CustomStringConvertible {
  /// One of gRPC's 17 codes.
  public var code: StatusCode
  /// Free text for developers; travels percent-encoded as `grpc-message`. Empty by default.
  public var message: String

  /// A status; its text is empty by default.
  public init(code: StatusCode, message: String = "") {
    self.code = code
    self.message = message
  }

  /// Success, without a text.
  public static let ok = Status(code: .ok)

  /// True for the code OK, whatever the text.
  public var isOK: Bool { code == .ok }

  /// The code's name and, where there is one, the text: `NOT_FOUND: no such order`.
  public var description: String { message.isEmpty ? code.description : "\(code): \(message)" }
}
