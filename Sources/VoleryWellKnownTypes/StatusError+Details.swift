public import VoleryProtobuf
public import VoleryTypes

// google.rpc.Status with its details, beside the plain status of a call: it travels in trailing metadata under a key that
// all implementations of gRPC know.

extension StatusError {
  /// Where the details travel (google/rpc/status.proto, gRPC's richer error model).
  public static let statusDetailsKey = "grpc-status-details-bin"

  /// A failure with details, for a handler to throw:
  ///
  ///     throw try StatusError(.invalidArgument, "bad e-mail address", details: [
  ///       Google_Rpc_BadRequest(fieldViolations: [.init(field: "email", description_p: "has no @")])
  ///     ])
  ///
  /// - Throws: when a detail has no bytes: a `required` field is missing, or it is over 2 GiB.
  public init(
    _ code: StatusCode, _ message: String = "", details: [any Message], metadata: Metadata = Metadata()
  ) throws(ProtobufError) {
    var packed: [Google_Protobuf_Any] = []
    for detail in details { packed.append(try detail.packed()) }
    try self.init(
      Google_Rpc_Status(code: Int32(code.rawValue), message: message, details: packed), metadata: metadata)
  }

  /// A failure from a status as it is; a code that is OK or none of gRPC's becomes UNKNOWN.
  public init(_ status: Google_Rpc_Status, metadata: Metadata = Metadata()) throws(ProtobufError) {
    let code = StatusCode(rawValue: Int(status.code)).flatMap { $0 == .ok ? nil : $0 } ?? .unknown
    var metadata = metadata
    metadata[binary: StatusError.statusDetailsKey] = try status.encoded()
    self.init(code, status.message, metadata: metadata)
  }

  /// The status with its details that came with the failure; nil when none came.
  ///
  /// - Throws: when what came is not a google.rpc.Status.
  public func statusWithDetails() throws(ProtobufError) -> Google_Rpc_Status? {
    guard let bytes = metadata[binary: StatusError.statusDetailsKey] else { return nil }
    return try Google_Rpc_Status(decoding: bytes)
  }

  /// The first detail of a type; nil when there is none, or when it can't be read.
  public func detail<M: Message>(_ type: M.Type = M.self) -> M? { details(type).first }

  /// Every detail of a type that can be read.
  public func details<M: Message>(_ type: M.Type = M.self) -> [M] {
    guard let status = try? statusWithDetails() else { return [] }
    return status.details.compactMap { (try? $0.unpack(type)) ?? nil }
  }
}

extension Message {
  fileprivate func packed() throws(ProtobufError) -> Google_Protobuf_Any { try Google_Protobuf_Any(packing: self) }
}
