/// Which side of a call streams.
public enum MethodKind: Hashable, Sendable {
  /// Neither side, the client, the server, or both.
  case unary, clientStreaming, serverStreaming, bidirectional
}

/// What the .proto promises about running a method twice (`idempotency_level`); retries rely on it.
public enum Idempotency: Hashable, Sendable {
  /// Nothing is promised; it changes nothing; or twice is the same as once.
  case unknown, noSideEffects, idempotent
}

/// A method as both sides know it: its path, its kind and how its messages travel. Generated code has one for each
/// method; write one by hand for a call without a .proto:
///
///     let echo = Method<[UInt8], [UInt8]>(service: "demo.Echo", name: "Echo", kind: .unary)
public struct Method<Request: Sendable, Response: Sendable>: Sendable {
  /// Name, kind and idempotency, without the message types.
  public let descriptor: MethodDescriptor
  /// How the client writes requests, and the server reads them.
  public let requestSerializer: Serializer<Request>
  /// How the server writes responses, and the client reads them.
  public let responseSerializer: Serializer<Response>

  /// A method whose messages travel in forms of your own choosing.
  ///
  /// - Parameters:
  ///   - service: The service's full name, `package.Service`, without slashes.
  ///   - name: The method's own name, without slashes.
  ///   - kind: Which sides stream; both ends must say the same.
  ///   - idempotency: What running it twice does; retries rely on it. Unknown by default: not retried by itself.
  ///   - requestSerializer: The form of requests.
  ///   - responseSerializer: The form of responses.
  public init(
    service: String, name: String, kind: MethodKind, idempotency: Idempotency = .unknown,
    requestSerializer: Serializer<Request>, responseSerializer: Serializer<Response>
  ) {
    self.descriptor = MethodDescriptor(
      service: service, name: name, kind: kind, idempotency: idempotency,
      codecs: MethodCodecs(request: requestSerializer, response: responseSerializer))
    self.requestSerializer = requestSerializer
    self.responseSerializer = responseSerializer
  }
}

extension Method where Request: WireMessage, Response: WireMessage {
  /// A method whose messages travel in their own form: generated messages, `[UInt8]`, your own `WireMessage` types.
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
    /// Of both names: whoever looks something up for a call's method need not go through them again.
    let hash: Int
    let codecs: MethodCodecs?

    init(service: String, name: String, codecs: MethodCodecs?) {
      self.codecs = codecs
      self.service = service
      self.name = name
      self.path = "/\(service)/\(name)"
      var hasher = Hasher()
      hasher.combine(service)
      hasher.combine(name)
      hash = hasher.finalize()
    }
  }

  /// Which sides stream.
  public let kind: MethodKind
  /// What the .proto promises about running it twice.
  public let idempotency: Idempotency
  /// The service's full name, `package.Service`.
  public var service: String { facts.service }
  /// The method's own name, `Method`, without service and package.
  public var name: String { facts.name }
  /// `/package.Service/Method`, as it stands in `:path`.
  public var path: String { facts.path }

  /// A method by its service's full name, `package.Service`, and its own name, neither with a slash.
  public init(service: String, name: String, kind: MethodKind, idempotency: Idempotency = .unknown) {
    self.init(service: service, name: name, kind: kind, idempotency: idempotency, codecs: nil)
  }

  init(service: String, name: String, kind: MethodKind, idempotency: Idempotency, codecs: MethodCodecs?) {
    facts = Facts(service: service, name: name, codecs: codecs)
    self.kind = kind
    self.idempotency = idempotency
  }

  /// True when service, name, kind and idempotency are the same.
  public static func == (left: MethodDescriptor, right: MethodDescriptor) -> Bool {
    left.kind == right.kind && left.idempotency == right.idempotency
      && (left.facts === right.facts || (left.service == right.service && left.name == right.name))
  }

  /// Agrees with `==`; of service and name only.
  public func hash(into hasher: inout Hasher) { hasher.combine(facts.hash) }

  /// Of both names, in this process.
  package var nameHash: Int { facts.hash }

  /// How its messages travel, for who does not know their types; nil where it is no `Method`'s.
  package var codecs: MethodCodecs? { facts.codecs }
}
