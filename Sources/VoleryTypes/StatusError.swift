/// A non-OK status, thrown: what every failed call throws, and what a handler throws to choose its status.
///
/// A handler that throws anything else ends its call with UNKNOWN and no details, so that nothing internal leaks. How a call
/// of the handler's own has failed (`origin` is `.call` or `.peer`) is not passed on by a server unless the handler throws a
/// fresh error: the caller of this server gets UNKNOWN instead, and the server's log has the rest.
public struct StatusError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Where the status was made.
  public enum Origin: Hashable, Sendable {
    /// By the program itself, with `init`: a handler's own answer.
    case local
    /// By this process's end of a call that it made, or by its channel: deadline, cancellation, no connection, a limit, a
    /// message that can't be read.
    case call
    /// By the peer: it came in trailers, or was mapped from its HTTP status or RST_STREAM code.
    case peer
  }

  /// The code and the text; never OK.
  public var status: Status
  /// Trailing metadata: what the peer sent with the failure, or what a handler wants sent with it.
  public var metadata: Metadata
  /// Where it was made; a server passes on only what is `.local`.
  public var origin: Origin
  /// The server that a failed call was on, or was on last, whoever made the status; nil where the call never had a connection,
  /// and in errors that no call has thrown.
  public var peer: Peer?

  /// What a handler throws to choose its call's status. Its `origin` is `.local`.
  ///
  /// - Parameters:
  ///   - code: Any but OK, which is a precondition.
  ///   - message: For the caller's developers; it travels to them. Empty by default.
  ///   - metadata: Sent as trailing metadata. Empty by default.
  public init(_ code: StatusCode, _ message: String = "", metadata: Metadata = Metadata()) {
    self.init(status: Status(code: code, message: message), metadata: metadata, origin: .local)
  }

  /// An error of a status that is there already, for a handler or a test that has to say where it was made.
  ///
  /// - Precondition: `status` is not OK: an OK outcome is a value, not an error.
  public init(status: Status, metadata: Metadata = Metadata(), origin: Origin) {
    precondition(!status.isOK, "a StatusError needs a status other than OK")
    self.status = status
    self.metadata = metadata
    self.origin = origin
  }

  /// The same as the error of a call, where it was made here.
  package var ofCall: StatusError {
    var error = self
    if error.origin == .local { error.origin = .call }
    return error
  }

  /// The status's code.
  public var code: StatusCode { status.code }
  /// The status's text; empty where there is none.
  public var message: String { status.message }
  /// The status, as `Status` writes it; metadata and peer are left out.
  public var description: String { status.description }
}
