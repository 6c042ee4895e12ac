package import VoleryTypes

/// How a client's stream ended, as far as its transport can tell. Exactly one for each stream.
package struct StreamOutcome: Sendable {
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
  }

  package var status: Status
  package var trailingMetadata: Metadata
  package var origin: StatusError.Origin
  package var processing: Processing
  /// The server answered with one header block and no message (a Trailers-Only response).
  package var isTrailersOnly: Bool
  /// The server; set by the call, where it failed.
  package var peer: Peer?

  package init(
    status: Status, trailingMetadata: Metadata = Metadata(), origin: StatusError.Origin,
    processing: Processing = .possible, isTrailersOnly: Bool = false
  ) {
    self.status = status
    self.trailingMetadata = trailingMetadata
    self.origin = origin
    self.processing = processing
    self.isTrailersOnly = isTrailersOnly
  }
}
