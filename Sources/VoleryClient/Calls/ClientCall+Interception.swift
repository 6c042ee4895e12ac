import Synchronization
import VoleryPrimitives
import VoleryTransport
public import VoleryTypes

// A call with interceptors around it: what runs them, and what they do with the call.
extension ClientCall {
  // MARK: Running

  /// Something has to win over an interceptor that is stuck: the call has a deadline, or may get one from the channel's
  /// configuration, which is not known yet. Else they run in the caller's own task.
  @usableFromInline var interceptsInOwnTask: Bool { deadlineTimer.load() != nil || terms.configuredAt == nil }

  /// Runs them in a task of the call's own, and waits for what the caller gets.
  @usableFromInline func interceptInOwnTask() async {
    let task = startInterceptors()
    await waitForVerdict()
    task.cancel()
  }

  /// Runs them in a task of the call's own. Begins here and now, up to where the first one waits.
  func startInterceptors() -> Task<Void, Never> {
    startDeadlineTimer(on: channel.loop)
    return Task.immediate { [self] in
      let invocation = ClientInvocation(self)
      do {
        try await interception[0].intercept(invocation, ClientInvocation.Next(invocation, index: 0))
        interceptorsReturned()
      } catch {
        interceptorsFailed(error)
      }
    }
  }

  /// The outermost one has returned: settles what the caller gets.
  @usableFromInline func interceptorsReturned() {
    guard interception.mayReturn(0) else {
      return interceptorsFailed(Interception.error(.neither, by: interception[0]))
    }
    settleAsIntercepted()
    if interception.hasChanges { forgetHooks() }
  }

  /// Calls that stream have a handle, which does it when it is let go of.
  private func forgetHooks() { if hasOneRequest, hasOneResponse { interception.forgetHooks() } }

  private func settleAsIntercepted() {
    // As a rule there is nothing to add to how the call has ended.
    if !interception.changesOutcome, let ended = withState({ $0.settle() }) { return self.ended(ended) }
    let changes = interception.changes
    // One that has caught how the call failed, and says nothing else, has no message for its caller.
    if !settle(initialMetadata: changes?.initialMetadata, trailingMetadata: changes?.trailingMetadata) {
      interceptorsFailed(
        StatusError(.internal, "an interceptor has ended \(method.path) with OK and without a message"))
    }
  }

  /// The outermost one has thrown: the same.
  @usableFromInline func interceptorsFailed(_ error: any Error) {
    defer { forgetHooks() }
    let error = Interception.failure(error, by: type(of: interception[0]))
    let changes = interception.changes
    if let initial = changes?.initialMetadata { withState { $0.incoming.metadata = initial } }
    settle(
      StreamOutcome(
        status: error.status, trailingMetadata: changes?.trailingMetadata ?? error.metadata, origin: error.origin
      ).with(peer: error.peer ?? peer))
  }

  // MARK: The request

  /// Keeps the one request of a call whose client does not stream until interceptors go on. What its serializer throws counts
  /// then.
  @inlinable func hold<Message>(_ message: Message, _ serializer: Serializer<Message>) {
    var sink = MessageSink()
    do { try serializer.serialize(message, &sink) } catch { return holdFailure(error) }
    queue(sink.finish())
  }

  @usableFromInline func holdFailure(_ error: any Error) { interception.change { $0.requestFailure = error } }

  /// Makes of it what is sent: as the hooks leave it, compressed as the call's requests are.
  private func finishRequest() throws(StatusError) {
    let changes = interception.changes
    if let failure = changes?.requestFailure { throw unserializable(failure) }
    guard var request = withState({ $0.outgoing.outbox.heldRequest }) else { return }
    if let hooks = changes?.requestHooks, !hooks.isEmpty, let codec = method.codecs?.request {
      var sink = MessageSink()
      do {
        sink.write(try ClientInterception.apply(hooks, to: request.messageBytes, codec))
      } catch {
        throw unserializable(error)
      }
      request = sink.finish()
    }
    queue(try frame(request, isCompressed: true))
  }

  /// Writes a message of a client that streams as the hooks leave it, where there may be some.
  func hooked<Message>(request serializer: Serializer<Message>) -> Serializer<Message> {
    guard isIntercepted else { return serializer }
    return Serializer(
      contentSubtype: serializer.contentSubtype,
      serialize: { [self] message, sink in
        guard let hooks = interception.changes?.requestHooks, !hooks.isEmpty else {
          return try serializer.serialize(message, &sink)
        }
        var intercepted = InterceptedMessage(value: message, serializer)
        try hooks.apply(to: &intercepted)
        sink.write(try intercepted.bytes())
      },
      deserialize: serializer.deserialize)
  }

  // MARK: Behind the last interceptor

  /// The last one, which has this number, goes on: starts the call.
  func goOn(from index: Int) throws(StatusError) {
    guard interception.goOn(index) else { throw Interception.error(.twice, by: interception[index]) }
    let snapshot = channel.published.current
    let hasChanges = interception.hasChanges
    if hasChanges, let metadata = interception.changes?.metadata { setMetadata(metadata) }
    configure(in: snapshot)
    startDeadlineTimer(on: channel.loop)
    if compression.code != 0 || hasChanges { try finishRequest() }
    if hasChanges, hasOneRequest { interception.requestsEnded() }
    let (mayStart, largestMessage) = withState { $0.goneOn() }
    // Writers wait for the interceptors.
    if !hasOneRequest { withState { $0.outgoing.writers.takeAll() }.resumeAll() }
    guard largestMessage <= maxRequestBytes else { throw fail(overLimit(largestMessage)) }
    if mayStart { start(snapshot) }
  }

  /// Resumes it when the call behind the interceptors has ended, now if it has.
  func wakeInterceptors(_ waiter: UnsafeContinuation<Void, Never>) {
    if !withState({ $0.waitForAttempts(waiter) }) { waiter.resume() }
  }

  /// The call has ended: it is the turn of the last interceptor again, which has this number.
  ///
  /// - Throws: How, if not with OK.
  func isBack(at index: Int) throws(StatusError) {
    interception.isBack(at: index)
    // As a rule it has gone well, and nobody wants to see messages.
    let hasFailed = withState { $0.hasFailed }
    let seesMessages = interception.hasChanges && hasOneResponse
    guard hasFailed || seesMessages else { return }
    defer { if seesMessages { interception.responsesEnded() } }
    if hasFailed, let failure = withState({ $0.failure }) { throw failure }
    try hookResponse()
  }

  /// Waits until interceptors have gone on, or the call is over.
  func untilStarted() async { await suspend { $0.waitForStart($1) } }

  // MARK: The response

  /// The one response of a method whose server does not stream: the hooks see it before `next` returns.
  private func hookResponse() throws(StatusError) {
    guard let received = withState({ $0.response }) else { return }
    let bytes = try bytes(of: received)
    do {
      guard let hooked = try hooked(response: bytes) else { return }
      withState { $0.response = ReceivedMessage(hooked, isCompressed: false) }
    } catch {
      throw Interception.failure(error, by: nil)
    }
  }

  /// A response as the hooks leave it. Nil: nobody wants to see it.
  private func hooked(response bytes: [UInt8]) throws -> [UInt8]? {
    guard let hooks = interception.changes?.responseHooks, !hooks.isEmpty, let codec = method.codecs?.response else {
      return nil
    }
    return try ClientInterception.apply(hooks, to: bytes, codec)
  }

  /// Reads a response of a server that streams as the hooks leave it, where there may be some.
  func hooked<Message>(response serializer: Serializer<Message>) -> Serializer<Message> {
    guard isIntercepted else { return serializer }
    return Serializer(
      contentSubtype: serializer.contentSubtype, serialize: serializer.serialize,
      deserialize: { [self] bytes in try serializer.deserialize(try hooked(response: bytes) ?? bytes) })
  }

  /// An interceptor answers in the server's place.
  func answered(by message: some Sendable) throws(StatusError) {
    let answer = ReceivedMessage(try encode(answer: message), isCompressed: false)
    interception.change { $0.hasAnswered = true }
    guard let waiters = withState({ $0.answered(answer, isOnlyOne: hasOneResponse) }) else {
      throw StatusError(.internal, "an interceptor answers \(method.path) twice")
    }
    waiters.resumeAll()
  }

  private func encode(answer message: some Sendable) throws(StatusError) -> [UInt8] {
    guard let codec = method.codecs?.response, codec.accepts(message) else {
      let wanted = method.codecs?.response.typeName ?? "message"
      throw StatusError(
        .internal, "an interceptor answers \(method.path) with a \(type(of: message)), not a \(wanted)")
    }
    do {
      return try codec.encode(message)
    } catch {
      throw StatusError(.internal, "an interceptor's answer to \(method.path) can't be serialized: \(error)")
    }
  }
}
