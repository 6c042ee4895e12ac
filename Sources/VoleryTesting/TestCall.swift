public import VoleryServer
import VoleryTransport
public import VoleryTypes

/// A call that no client has made: what a test hands to a handler that it calls directly.
///
///     let call = try TestCall(GreeterMethods.sayHello, metadata: ["x-user": "7"])
///     let reply = try await Hello().sayHello(HelloRequest(name: "you"), context: call.context)
///     #expect(call.trailingMetadata["x-cost"] == "1")
///
/// For methods that stream it has both streams, as the runtime would hand them in:
///
///     let call = try TestCall(RouteGuideMethods.routeChat)
///     try call.send(note, note)
///     call.finish()
///     try await Guide().routeChat(call.requests, responses: call.responses, context: call.context)
///     #expect(try call.written == [note])
///
/// No interceptor stands around it, its deadline is a value and does not run out, and the test's task is the handler's: `cancel`
/// tells the context and both streams, and leaves the task alone. A whole call is what `Channel.inProcess` is for.
public final class TestCall<Request: Sendable, Response: Sendable>: Sendable {
  private let method: Method<Request, Response>
  private let call: MadeUpCall
  private let stream: StreamRecorder

  /// - Parameters:
  ///   - metadata: What the client has sent.
  ///   - timeout: The time that the client gives the call; nil: no deadline.
  ///   - peer: The client, with what its certificate says in `Peer.security`.
  ///   - authority: The name by which the client has called.
  /// - Throws: UNAVAILABLE where the process can't have its event loops.
  public init(
    _ method: Method<Request, Response>, metadata: Metadata = Metadata(), timeout: Duration? = nil,
    peer: Peer = Peer(address: .inProcess("test")), authority: String = "test"
  ) throws(StatusError) {
    self.method = method
    let head = ServerRequestHead(
      authority: authority, timeout: timeout, metadata: metadata,
      contentSubtype: method.requestSerializer.contentSubtype)
    var recorder: StreamRecorder?
    call = try MadeUpCall(method.descriptor, head) { loop in
      let made = StreamRecorder(peer: peer, loop: loop)
      recorder = made
      return made
    }
    stream = recorder!
  }

  /// For the handler's `context`.
  public var context: ServerContext { call.context }

  // MARK: The client's side

  /// For the handler's `requests`.
  public var requests: RequestStream<Request> { call.requests(method.requestSerializer) }

  /// The client sends requests; before the handler runs, or meanwhile.
  ///
  /// - Precondition: the method's client streams.
  /// - Throws: What the message's serializer throws.
  public func send(_ requests: Request...) throws {
    for request in requests { call.receive(try method.requestSerializer.bytes(of: request)) }
  }

  /// The client sends no more: the handler's `requests` end.
  public func finish() { call.halfClose() }

  /// The client cancels: the context says so, and both streams throw CANCELLED.
  public func cancel() async { await call.end(StatusError(.cancelled, "the client cancelled the call")) }

  /// The server begins to stop (`ServerContext.isServerDraining`).
  public func beginDraining() { call.beginDraining() }

  // MARK: What the handler has said

  /// For the handler's `responses`.
  public var responses: ResponseWriter<Response> { call.responses(method.responseSerializer) }

  /// What the handler has written to its `responses` so far.
  ///
  /// - Throws: What the message's serializer throws.
  public var written: [Response] {
    get throws { try stream.messages.map { try method.responseSerializer.deserialize($0) } }
  }

  /// As it was sent, or would be.
  public var initialMetadata: Metadata { stream.initialMetadata ?? context.initialMetadata }

  /// What the handler has set to be sent with the status.
  public var trailingMetadata: Metadata { context.trailingMetadata }
}

extension Serializer {
  fileprivate func bytes(of message: Message) throws -> [UInt8] {
    var sink = MessageSink()
    try serialize(message, &sink)
    return Array(sink.finish().joined.dropFirst(MessageSink.prefixByteCount))
  }
}
