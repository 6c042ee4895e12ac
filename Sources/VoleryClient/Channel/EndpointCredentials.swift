import Synchronization
package import VoleryTransport
package import VoleryTypes

/// What protects connections to some endpoints, as somebody says who may change his mind: it holds for connections that are made
/// from then on. The same object is the same credentials, whatever they are now.
package final class EndpointCredentials: Hashable, Sendable {
  private struct State {
    var credentials: ChannelCredentials?
    var revision = 0
  }

  private let state = Mutex(State())

  /// Nothing has been said.
  package init() {}

  /// - Parameter credentials: Nil: the channel's own.
  package func set(_ credentials: ChannelCredentials?) {
    state.withLock { state in
      state.credentials = credentials
      state.revision += 1
    }
  }

  fileprivate var current: (credentials: ChannelCredentials?, revision: Int) {
    state.withLock { ($0.credentials, $0.revision) }
  }

  package static func == (left: EndpointCredentials, right: EndpointCredentials) -> Bool { left === right }
  package func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

extension Attributes {
  private enum Credentials: AttributeKey { typealias Value = EndpointCredentials }

  /// Of an endpoint: how connections to it are protected, in channels whose credentials leave that to others
  /// (`ChannelCredentials.takesEndpointCredentials`).
  package var endpointCredentials: EndpointCredentials? {
    get { self[Credentials.self] }
    set { self[Credentials.self] = newValue }
  }
}

/// The connectors that were made for what endpoints bring, each as long as that is what holds.
package final class EndpointConnectors: Sendable {
  private struct Made {
    weak var credentials: EndpointCredentials?
    let revision: Int
    let connector: any ClientConnector
  }

  private let make: @Sendable (ChannelCredentials) -> any ClientConnector
  private let made = Mutex<[ObjectIdentifier: Made]>([:])

  /// - Parameter make: A connector; where the credentials can't be used, one whose connections fail and say so.
  package init(_ make: @escaping @Sendable (ChannelCredentials) -> any ClientConnector) { self.make = make }

  /// Nil: nothing has been said, so that the channel's own credentials hold.
  func connector(for brought: EndpointCredentials) -> (any ClientConnector)? {
    let (credentials, revision) = brought.current
    guard let credentials else { return nil }
    let key = ObjectIdentifier(brought)
    if let known = made.withLock({ $0[key] }), known.credentials === brought, known.revision == revision {
      return known.connector
    }
    let connector = make(credentials)
    made.withLock { made in
      made = made.filter { $0.value.credentials != nil }
      made[key] = Made(credentials: brought, revision: revision, connector: connector)
    }
    return connector
  }
}
