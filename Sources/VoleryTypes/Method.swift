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
  /// Shared: every call has a copy of its method.
  private let facts: Facts

  private final class Facts: Sendable {
    let service: String
    let name: String
    let path: String

    init(service: String, name: String) {
      self.service = service
      self.name = name
      self.path = "/\(service)/\(name)"
    }
  }

  public let kind: MethodKind
  public let idempotency: Idempotency
  /// The service's full name, `package.Service`.
  public var service: String { facts.service }
  public var name: String { facts.name }
  /// `/package.Service/Method`, as it stands in `:path`.
  public var path: String { facts.path }

  public init(service: String, name: String, kind: MethodKind, idempotency: Idempotency = .unknown) {
    facts = Facts(service: service, name: name)
    self.kind = kind
    self.idempotency = idempotency
  }

  public static func == (left: MethodDescriptor, right: MethodDescriptor) -> Bool {
    left.kind == right.kind && left.idempotency == right.idempotency
      && (left.facts === right.facts || (left.service == right.service && left.name == right.name))
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(service)
    hasher.combine(name)
  }
}
