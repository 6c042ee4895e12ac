public import VoleryProtobuf
public import VoleryTypes

/// An error of your own that knows what a client should be told of it; `ErrorMapping` tells it:
///
///     enum OrderError: StatusErrorConvertible {
///       case soldOut(String)
///
///       var statusCode: StatusCode { .failedPrecondition }
///       var statusMessage: String { "sold out" }
///       var statusDetails: [any Message] { [Google_Rpc_ErrorInfo(reason: "SOLD_OUT", domain: "shop.example")] }
///     }
public protocol StatusErrorConvertible: Error {
  /// Not OK, which would be UNKNOWN.
  var statusCode: StatusCode { get }
  /// For the client's people. Empty, if nothing else is said.
  var statusMessage: String { get }
  /// For the client's program: messages of google.rpc's error_details.proto, or of your own. None, if nothing else is said.
  var statusDetails: [any Message] { get }
}

extension StatusErrorConvertible {
  /// Empty: the client gets the code alone.
  public var statusMessage: String { "" }
  /// None.
  public var statusDetails: [any Message] { [] }
}
