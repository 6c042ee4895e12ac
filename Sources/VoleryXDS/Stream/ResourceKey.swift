package import VoleryTypes

/// One resource that somebody wants.
package struct ResourceKey: Hashable, Sendable, CustomStringConvertible {
  package let type: XDSResourceType
  /// In its one form (gRFC A47).
  package let name: String

  package init(_ type: XDSResourceType, _ name: String) {
    self.type = type
    self.name = ResourceName.canonical(name)
  }

  package var description: String { "the \(type) \(XDSResourceError.quote(name))" }
}

/// What is known of a resource.
package enum ResourceView: Equatable, Sendable {
  /// Asked for, or about to be.
  case waiting
  /// The newest that made sense; what came after it and did not is in the log and in what the control plane was told.
  case known(XDSResource)
  /// It does not exist (gRFC A57), was never right, or there is no control plane to ask.
  case failed(StatusError)
}
