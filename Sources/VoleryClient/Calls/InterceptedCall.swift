import Synchronization
import VoleryPrimitives
import VoleryTransport
import VoleryTypes

/// A call with interceptors around it: runs them, and the call behind the last one.
final class InterceptedCall<Request: Sendable, Response: Sendable>: ClientInvocation, @unchecked Sendable {  // Isolation: constant
  let call: ClientCall
  /// The one request of a call whose client does not stream.
  private let request: Request?
  private let requestSerializer: Serializer<Request>
  private let responseSerializer: Serializer<Response>

  init(
    _ call: ClientCall, _ method: Method<Request, Response>, request: Request?, interceptors: [any ClientInterceptor]
  ) {
    self.call = call
    self.request = request
    requestSerializer = method.requestSerializer
    responseSerializer = method.responseSerializer
    super.init(
      method: method.descriptor, metadata: call.metadata, attempt: nil, interceptors: interceptors)
  }

  override var deadline: Deadline {
    get { call.deadline }
    set { call.setDeadline(newValue) }
  }

  override var peer: Peer? { call.peer }

  override var receivedInitialMetadata: Metadata { call.state.withLock { $0.initialMetadata } ?? Metadata() }
  override var receivedTrailingMetadata: Metadata { call.state.withLock { $0.outcome?.trailingMetadata } ?? Metadata() }

  override func isHeld(by index: Int) {
    call.state.withLock { $0.holder = type(of: interceptors[index]) }
  }

  /// Runs it all, and settles what the caller gets.
  func run() async {
    if call.deadline.isSet { call.startDeadlineTimer(on: call.channel.loop) }
    do {
      try await run(from: 0)
      try checkAnswer()
      settle(StreamOutcome(status: .ok, trailingMetadata: trailingMetadata, origin: .peer))
    } catch {
      let error = outcome(of: error)
      let trailing = state.withLock { $0.trailingMetadata } ?? error.metadata
      settle(
        StreamOutcome(status: error.status, trailingMetadata: trailing, origin: error.origin)
          .with(peer: error.peer ?? call.peer))
    }
  }

  private func settle(_ outcome: StreamOutcome) {
    if let initial = state.withLock({ $0.initialMetadata }) { call.state.withLock { $0.initialMetadata = initial } }
    call.settle(outcome)
  }

  /// An interceptor that has caught how the call failed, and says nothing else, has no message for its caller.
  private func checkAnswer() throws(StatusError) {
    guard call.hasOneResponse, call.state.withLock({ $0.response == nil && $0.outcome?.isOK != true }) else { return }
    throw StatusError(.internal, "an interceptor has ended \(method.path) with OK and without a message")
  }

  /// The whole answer of a unary call. In the caller's own task where nothing has to win over an interceptor that is stuck.
  func response() async throws(StatusError) -> ClientResponse<Response> {
    guard call.mayGetDeadline else {
      await run()
      return try await call.response(responseSerializer)
    }
    let task = Task.immediate { await run() }
    defer { task.cancel() }
    return try await call.response(responseSerializer)
  }

  override func proceed() async throws(StatusError) {
    if let request {
      let frame = try call.frame(request, hasRequestHooks ? hookedRequestSerializer : requestSerializer)
      call.state.withLock { $0.outbox = Outbox(only: frame) }
    }
    call.goOn(with: state.withLock { $0.metadata })
    let outcome = await call.attemptsOutcome()
    if let error = outcome.error { throw error }
    if call.hasOneResponse { try hookResponse() }
  }

  // MARK: Messages

  private var hasRequestHooks: Bool { state.withLock { !$0.requestHooks.isEmpty } }

  /// Writes a request as the interceptors leave it.
  var hookedRequestSerializer: Serializer<Request> {
    Serializer(
      contentSubtype: requestSerializer.contentSubtype,
      serialize: { [self] message, sink in
        let hooks = state.withLock { $0.requestHooks }
        guard !hooks.isEmpty else { return try requestSerializer.serialize(message, &sink) }
        var intercepted = InterceptedMessage(value: message, requestSerializer)
        try hooks.apply(to: &intercepted)
        sink.write(try intercepted.bytes())
      },
      deserialize: requestSerializer.deserialize)
  }

  /// Reads a response as the interceptors leave it.
  var hookedResponseSerializer: Serializer<Response> {
    Serializer(
      contentSubtype: responseSerializer.contentSubtype, serialize: responseSerializer.serialize,
      deserialize: { [self] bytes in try responseSerializer.deserialize(try hooked(bytes) ?? bytes) })
  }

  /// Nil: nobody wants to see it.
  private func hooked(_ bytes: [UInt8]) throws -> [UInt8]? {
    let hooks = state.withLock { $0.responseHooks }
    guard !hooks.isEmpty else { return nil }
    var message = InterceptedMessage(bytes: bytes, responseSerializer)
    try hooks.apply(to: &message)
    return try message.bytes()
  }

  /// The one response of a method whose server does not stream: the hooks see it before `next` returns.
  private func hookResponse() throws(StatusError) {
    guard let received = call.state.withLock({ $0.response }) else { return }
    let bytes = try call.bytes(of: received)
    do {
      guard let hooked = try hooked(bytes) else { return }
      call.state.withLock { $0.response = ReceivedMessage(hooked, isCompressed: false) }
    } catch {
      throw outcome(of: error)
    }
  }

  override func respond(_ message: some Sendable) throws(StatusError) {
    guard responseSerializer.accepts(message) else {
      throw StatusError(
        .internal, "an interceptor answers \(method.path) with a \(type(of: message)), not a \(Response.self)")
    }
    let bytes: [UInt8]
    do {
      bytes = try responseSerializer.encode(message)
    } catch {
      throw StatusError(.internal, "an interceptor's answer to \(method.path) can't be serialized: \(error)")
    }
    state.withLock { $0.hasAnswered = true }
    let answer = ReceivedMessage(bytes, isCompressed: false)
    guard let waiters = call.state.withLock({ $0.answered(answer, isOnlyOne: call.hasOneResponse) }) else {
      throw StatusError(.internal, "an interceptor answers \(method.path) twice")
    }
    waiters.resumeAll()
  }
}
