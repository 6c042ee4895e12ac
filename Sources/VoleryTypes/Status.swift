/// How an RPC ended: a code and a text for people. `Status.ok` is success.
public struct Status: Hashable, Sendable, CustomStringConvertible {
  public var code: StatusCode
  /// Free text for developers; travels percent-encoded as `grpc-message`. Empty by default.
  public var message: String

  public init(code: StatusCode, message: String = "") {
    self.code = code
    self.message = message
  }

  public static let ok = Status(code: .ok)

  public var isOK: Bool { code == .ok }

  public var description: String { message.isEmpty ? code.description : "\(code): \(message)" }
}
