public import VoleryTypes

/// The whole answer of a call with one response message.
public struct ClientResponse<Message: Sendable>: Sendable {
  public let message: Message
  public let initialMetadata: Metadata
  public let trailingMetadata: Metadata
  /// The server that answered.
  public let peer: Peer?
  /// Whether the message came compressed.
  public let isCompressed: Bool
}
