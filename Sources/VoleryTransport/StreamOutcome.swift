public import VoleryTypes

/// How a client's stream ended, as far as its transport can tell. Exactly one for each stream.
///
/// That of a call that went well is a few bytes without a reference: it passes through several hands.
@usableFromInline package struct StreamOutcome: Sendable {
  /// Whether the server may have seen the call; decides which retries are safe (gRFC A6, transparent retries).
  package enum Processing: Hashable, Sendable {
    /// No server has it: nothing of it left this process, or it came behind the last call that a server has taken which
    /// ends the connection (above its GOAWAY's last stream id). May be tried again as often as it takes.
    case neverSent
    /// Nothing of it left this process, and it would be the same with any other server: a limit of the peer's or of our own
    /// forbids it. Never tried again, and says nothing of the server.
    case unsendable
    /// The server said that it did not process it (REFUSED_STREAM).
    case refused
    /// It may have been processed.
    case possible

    /// What was never sent says nothing of the server.
    package var wasSent: Bool {
      switch self {
      case .neverSent, .unsendable: false
      case .refused, .possible: true
      }
    }
  }

  /// What only some outcomes have.
  @usableFromInline final class Details: Sendable {
    @usableFromInline let message: String
    let trailingMetadata: Metadata
    let peer: Peer?
    let resetCode: UInt32?

    init(message: String, trailingMetadata: Metadata, peer: Peer?, resetCode: UInt32? = nil) {
      self.message = message
      self.trailingMetadata = trailingMetadata
      self.peer = peer
      self.resetCode = resetCode
    }
  }

  @usableFromInline package let code: StatusCode
  package let origin: StatusError.Origin
  package let processing: Processing
  /// The server answered with one header block and no message (a Trailers-Only response).
  package let isTrailersOnly: Bool
  /// The status is as the server has sent it, text and all. False: this end has made it of what it saw.
  package var isServersOwn = false
  @usableFromInline var details: Details?

  package init(
    status: Status, trailingMetadata: Metadata = Metadata(), origin: StatusError.Origin,
    processing: Processing = .possible, isTrailersOnly: Bool = false
  ) {
    code = status.code
    self.origin = origin
    self.processing = processing
    self.isTrailersOnly = isTrailersOnly
    if !status.message.isEmpty || !trailingMetadata.isEmpty {
      details = Details(message: status.message, trailingMetadata: trailingMetadata, peer: nil)
    }
  }

  /// OK, as the server has said it, with metadata and without text.
  package init(okWith trailingMetadata: Metadata) {
    code = .ok
    origin = .peer
    processing = .possible
    isTrailersOnly = false
    isServersOwn = true
    if !trailingMetadata.isEmpty { details = Details(message: "", trailingMetadata: trailingMetadata, peer: nil) }
  }

  @inlinable package var isOK: Bool { code.rawValue == 0 }
  @inlinable package var status: Status { Status(code: code, message: message) }
  /// Neither text nor metadata came with the code.
  @inlinable package var isBare: Bool { details == nil }
  /// The status's text, for people.
  @inlinable package var message: String { details?.message ?? "" }
  package var trailingMetadata: Metadata { details?.trailingMetadata ?? Metadata() }
  /// The server; set by the call, where it failed.
  package var peer: Peer? { details?.peer }

  /// The code of HTTP/2 with which the server has reset the stream; nil where it has not.
  package var resetCode: UInt32? { details?.resetCode }

  /// The same of a call that was on this server, with another text.
  package func with(message: String? = nil, peer: Peer?) -> StreamOutcome {
    var outcome = self
    outcome.details = Details(
      message: message ?? self.message, trailingMetadata: trailingMetadata, peer: peer,
      resetCode: resetCode)
    return outcome
  }

  /// The same with other metadata beside the status.
  package func with(trailingMetadata: Metadata) -> StreamOutcome {
    var outcome = self
    outcome.details = Details(
      message: message, trailingMetadata: trailingMetadata, peer: peer, resetCode: resetCode)
    return outcome
  }

  /// The same of a stream that the server has reset with this code.
  package func with(resetCode: UInt32) -> StreamOutcome {
    var outcome = self
    outcome.details = Details(
      message: message, trailingMetadata: trailingMetadata, peer: peer, resetCode: resetCode)
    return outcome
  }
}
