/// Methods that a server offers together. Generated code has a protocol for each service of a .proto that refines this;
/// without a .proto, conform to it yourself:
///
///     struct Echo: Service {
///       let echo = Method<[UInt8], [UInt8]>(service: "demo.Echo", name: "Echo", kind: .unary)
///       var handlers: [MethodHandler] { [.unary(echo) { request, _ in request }] }
///     }
public protocol Service: Sendable {
  /// Asked once, when the server is made.
  var handlers: [MethodHandler] { get }

  /// What server reflection tells of the service: serialized FileDescriptorProtos (google/protobuf/descriptor.proto) of the
  /// .proto that declares it and of all that it imports, in any order. Generated code has them; empty where nothing else is
  /// said, and then reflection knows the service's name alone. Asked on any thread, and by nobody but reflection.
  var fileDescriptors: [[UInt8]] { get }
}

extension Service {
  /// None.
  public var fileDescriptors: [[UInt8]] { [] }
}

/// A service that wants to hear that its server is about to stop, before clients do: health turns to NOT_SERVING.
public protocol DrainObserving: Service {
  /// The server begins to drain; its calls still run. On any thread; must not block, and may be called twice.
  func drainBegan()
}
