import VoleryObservation
package import VoleryWellKnownTypes

/// What is known of a resource, for those who look from outside (gRFC A40).
package struct ResourceDump: Equatable, Sendable {
  package enum Standing: Equatable, Sendable {
    case requested, doesNotExist, accepted, refused, unreachable
  }

  /// An answer that was refused.
  package struct Refusal: Equatable, Sendable {
    package let version: String
    package let reason: String
    package let at: Google_Protobuf_Timestamp
    package let content: Google_Protobuf_Any?
  }

  package let key: ResourceKey
  package let standing: Standing
  /// Of what holds; empty where nothing does.
  package let version: String
  package let updated: Google_Protobuf_Timestamp?
  package let content: Google_Protobuf_Any?
  /// The last one, until a good answer has come.
  package let refusal: Refusal?
}

extension ResourceDump {
  /// The same in the words of gRFC A78.
  var state: ControlPlaneResources.State {
    switch standing {
    case .requested, .unreachable: .requested
    case .doesNotExist: .doesNotExist
    case .accepted: .accepted
    case .refused: version.isEmpty ? .refused : .refusedButKept
    }
  }
}

/// Of a client, for those who look from outside.
struct ClientStatus: Sendable {
  let node: WireNode
  let resources: [ResourceDump]
}
