import VoleryProtobuf
import VoleryTypes
import VoleryWellKnownTypes

extension WireDiscoveryRequest {
  init(_ request: ADSMachine.Request, node: WireNode?) {
    self.init(
      versionInfo: request.version, node: node, resourceNames: request.names, typeURL: request.type.typeURL,
      responseNonce: request.nonce,
      errorDetail: request.error.map { Google_Rpc_Status(code: 3, message: $0) })
  }
}

extension XDSBootstrap {
  var node: WireNode {
    WireNode(
      id: nodeID, cluster: nodeCluster, metadata: nodeMetadata?.structure,
      locality: region.isEmpty && zone.isEmpty && subZone.isEmpty
        ? nil : WireLocality(region: region, zone: zone, subZone: subZone),
      userAgentName: "volery", clientFeatures: ["envoy.lb.does_not_support_overprovisioning"],
      userAgentVersionType: .userAgentVersion("0.1.0"))
  }
}

extension JSONValue {
  /// Nil for what is no object.
  fileprivate var structure: Google_Protobuf_Struct? {
    guard case .object(let members) = self else { return nil }
    return Google_Protobuf_Struct(fields: members.mapValues(\.message))
  }

  private var message: Google_Protobuf_Value {
    switch self {
    case .null: Google_Protobuf_Value(kind: .nullValue(Google_Protobuf_NullValue()))
    case .bool(let bool): Google_Protobuf_Value(kind: .boolValue(bool))
    case .number(let text): Google_Protobuf_Value(kind: .numberValue(Double(text) ?? 0))
    case .string(let text): Google_Protobuf_Value(kind: .stringValue(text))
    case .array(let elements):
      Google_Protobuf_Value(kind: .listValue(Google_Protobuf_ListValue(values: elements.map(\.message))))
    case .object(let members):
      Google_Protobuf_Value(kind: .structValue(Google_Protobuf_Struct(fields: members.mapValues(\.message))))
    }
  }
}
