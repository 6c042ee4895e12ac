/// Which side of a call streams.
public enum MethodKind: Hashable, Sendable {
  case unary, clientStreaming, serverStreaming, bidirectional
}

/// What the .proto promises about running a method twice (`idempotency_level`); retries rely on it.
public enum Idempotency: Hashable, Sendable {
  case unknown, noSideEffects, idempotent
}

/// A method as both sides know it: its path, its kind and how its messages travel. Generated code has one for each
/// method; write one by hand for a call without a .proto:
///
///     let echo = Method<[UInt8], [UInt8]>(service: "demo.Echo", name: "Echo", kind: .unary)
public struct Method<Request: Sendable, Response: Sendable>: Sendable {
  public let descriptor: MethodDescriptor
  public let requestSerializer: Serializer<Request>
  public let responseSerializer: Serializer<Response>

  public init(
    service: String, name: String, kind: MethodKind, idempotency: Idempotency = .unknown,
    requestSerializer: Serializer<Request>, responseSerializer: Serializer<Response>
  ) {
    self.descriptor = MethodDescriptor(service: service, name: name, kind: kind, idempotency: idempotency)
    self.requestSerializer = requestSerializer
    self.responseSerializer = responseSerializer
  }
}

extension Method where Request: WireMessage, Response: WireMessage {
  @inlinable public init(service: String, name: String, kind: MethodKind, idempotency: Idempotency = .unknown) {
    self.init(
      service: service, name: name, kind: kind, idempotency: idempotency,
      requestSerializer: .wire, responseSerializer: .wire)
  }
}

/// A method without its message types.
public struct MethodDescriptor: Hashable, Sendable {
  /// The service's full name, `package.Service`.
  public let service: String
  public let name: String
  public let kind: MethodKind
  public let idempotency: Idempotency
  /// `/package.Service/Method`, as it stands in `:path`.
  public let path: String

  public init(service: String, name: String, kind: MethodKind, idempotency: Idempotency = .unknown) {
    self.service = service
    self.name = name
    self.kind = kind
    self.idempotency = idempotency
    self.path = "/\(service)/\(name)"
  }
}
