package import VoleryTypes

/// What holds for a call that is forwarded, whichever server gets it.
package struct ForwardedHead: Sendable {
  /// Which `:authority` the server gets.
  package enum Authority: Sendable {
    /// The client's; the channel's where the client has sent none.
    case client
    /// The channel's.
    case channel
    case name(String)
  }

  package let fields: ForwardedFields
  package let authority: Authority
  package let deadline: Deadline

  package init(_ fields: ForwardedFields, authority: Authority, deadline: Deadline) {
    self.fields = fields
    self.authority = authority
    self.deadline = deadline
  }
}

/// What a request says besides, as it goes on. An object, which requests that say the same share.
package final class ForwardedFields: Sendable {
  /// The client's; empty: it has sent none.
  package let authority: String
  package let metadata: Metadata
  package let contentSubtype: String?
  package let messageEncoding: String?
  package let acceptedEncodings: String?

  package init(
    authority: String, metadata: Metadata, contentSubtype: String? = nil, messageEncoding: String? = nil,
    acceptedEncodings: String? = nil
  ) {
    self.authority = authority
    self.metadata = metadata
    self.contentSubtype = contentSubtype
    self.messageEncoding = messageEncoding
    self.acceptedEncodings = acceptedEncodings
  }
}
