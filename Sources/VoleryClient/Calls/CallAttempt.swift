import Synchronization
import VoleryLoadBalancing
import VoleryObservation
import VoleryPrimitives
import VoleryTransport
import VoleryTypes

/// One try of a call on one connection: its credentials, its stream, its own outcome. The transport's handler, and the one
/// place that touches the stream.
///
/// Everything but `init` and `place` runs on the connection's loop, but for what is marked. A call that has not waited for a
/// server is its own first attempt, which saves an object; those that follow have objects of their own (`ClientCall.begin`).
@usableFromInline class CallAttempt: @unchecked Sendable {  // Isolation: loop
  /// Nil: the call's own.
  private let owner: ClientCall?
  final let startedAt: Moment
  // Where it is: set once, before anybody else has the attempt.
  @exclusivity(unchecked) final private(set) var connection: (any ClientConnection)!
  @exclusivity(unchecked) final private(set) var subchannel: Subchannel!
  /// What the picker wants besides; nil: nothing.
  @exclusivity(unchecked) private var ticket: PickTicket?
  /// Nil until opened and after the end.
  @exclusivity(unchecked) private var stream: (any ClientStream)?
  @exclusivity(unchecked) private var isOver = false
  /// What has to be done before the stream opens; cancelled with the attempt.
  @exclusivity(unchecked) private var preparation: Task<Void, Never>?
  /// Nil without interceptors around attempts.
  @exclusivity(unchecked) private var intercepted: InterceptedAttempt?
  /// Set when the call takes the attempt.
  @exclusivity(unchecked) final var place = AttemptPlace()
  /// Nil unless somebody looks.
  @exclusivity(unchecked) private var attemptWatch: AttemptWatch?
  /// What a unary call's server has said so far: nobody can ask for it before the end, so the call's lock is left alone.
  @exclusivity(unchecked) private var answer = HeldAnswer()

  /// - Parameter owner: Nil: this is the call itself.
  init(of owner: ClientCall?, startedAt: Moment) { (self.owner, self.startedAt) = (owner, startedAt) }

  final var call: ClientCall { owner ?? unsafeDowncast(self, to: ClientCall.self) }

  /// By the one who has picked its server, before anybody else has the attempt.
  final func place(on connection: any ClientConnection, _ subchannel: Subchannel, _ ticket: PickTicket?) {
    (self.connection, self.subchannel, self.ticket) = (connection, subchannel, ticket)
  }

  /// Any thread: runs `work` on the connection's loop, now if this is it.
  final func onLoop(_ work: @escaping @Sendable () -> Void) {
    let loop = connection.transportLoop
    if loop.isCurrent { work() } else { loop.execute(work) }
  }

  // MARK: Beginning

  final func begin() {
    guard !isOver else { return }
    let call = call
    call.startDeadlineTimer(on: connection.transportLoop)
    if call.channel.hasPlainAttempts, !call.hasOwnCredentials { return open(nil, of: call) }
    if call.channel.options.attemptInterceptors.isEmpty { proceed(with: nil) } else { intercept() }
  }

  /// Runs the interceptors, which proceed.
  private func intercept() {
    let intercepted = InterceptedAttempt(self)
    self.intercepted = intercepted
    preparation = Task {
      let outcome = await intercepted.run()
      self.onLoop { self.settled(outcome) }
    }
  }

  /// - Parameter metadata: As interceptors have left it; nil: the call's.
  final func proceed(with metadata: Metadata?) {
    guard !isOver else { return }
    let call = call
    if call.hasCredentials { prepare(with: call.credentials, metadata) } else { open(metadata, of: call) }
  }

  /// Asks the credentials, and opens the stream once they have said what they have to say.
  private func prepare(with credentials: [any CallCredentials], _ metadata: Metadata?) {
    let peer = connection.peer
    if let refusal = CallCredentialsGate.refusal(for: peer) {
      call.fail(refusal)
      return
    }
    let request = CallCredentialsRequest(method: call.method, authority: call.authority, peer: peer)
    let asking = Task { [self] in
      do throws(StatusError) {
        var all = metadata ?? call.metadata
        all.append(contentsOf: try await CallCredentialsGate.metadata(of: credentials, for: request))
        onLoop { [self, all] in open(all, of: call) }
      } catch {
        onLoop { [self] in
          if !isOver { call.fail(error) }
        }
      }
    }
    if intercepted == nil { preparation = asking } else { intercepted?.preparation = asking }
  }

  /// - Parameter metadata: Nil: the call's.
  private func open(_ metadata: Metadata?, of call: ClientCall) {
    guard !isOver, let flush = call.withState({ $0.takeFlush(for: self) }) else { return }
    var metadata = metadata ?? call.metadata
    if let ticket, !ticket.metadata.isEmpty { metadata.append(contentsOf: ticket.metadata) }
    if call.watch?.hearsAttempts == true, let observer = call.watch?.observer { show(&metadata, to: observer) }
    let stream = connection.openStream(call.head(of: self, metadata), handler: self)
    self.stream = stream
    send(flush, on: stream, of: call)
  }

  private func show(_ metadata: inout Metadata, to observer: any CallObserver) {
    let attempt = ObservedAttempt(
      cause: place.cause, previousAttempts: place.previousAttempts, peer: connection.peer, subchannel: subchannel.id,
      waited: place.waited)
    attemptWatch = observer.attemptStarted(attempt, metadata: &metadata).map(AttemptWatch.init)
  }

  // MARK: Sending

  /// Gives the transport what the call has queued.
  final func flush() {
    let call = call
    guard let stream, let flush = call.withState({ $0.takeFlush(for: self) }) else { return }
    send(flush, on: stream, of: call)
  }

  private func send(_ flush: consuming ClientCallState.Flush, on stream: any ClientStream, of call: ClientCall) {
    if let abandoned = flush.abandoned {
      call.selection.load()?.commit()
      call.abandon(abandoned)
    }
    let endsStream = flush.part.endsStream
    if intercepted == nil, attemptWatch == nil, flush.part.rest == nil, let only = flush.part.first.take() {
      // All of most calls.
      stream.send(only, endsStream: endsStream)
    } else if !sendAll(&flush.part, on: stream) {
      return
    }
    // Nobody waits to send more to a call that has sent everything.
    guard !endsStream else { return }
    let queued = stream.queuedByteCount
    call.withState { $0.flushed(queuedBytes: queued, by: self) }.resumeAll()
  }

  /// Returns false when an interceptor does not let one of them pass.
  private func sendAll(_ part: inout Outbox.Part, on stream: any ClientStream) -> Bool {
    let endsStream = part.endsStream
    guard let first = part.first.take() else {
      if endsStream {
        intercepted?.requestsEnded()
        stream.halfClose()
      }
      return true
    }
    let rest = part.rest.take() ?? []
    guard send(first, endsStream: endsStream && rest.isEmpty, on: stream) else { return false }
    return rest.indices.allSatisfy {
      send(rest[$0], endsStream: endsStream && $0 + 1 == rest.endIndex, on: stream)
    }
  }

  /// Returns false when an interceptor does not let it pass.
  private func send(_ frame: MessageFrame, endsStream: Bool, on stream: any ClientStream) -> Bool {
    guard let intercepted else {
      attemptWatch?.sent(frame, call.compression)
      stream.send(frame, endsStream: endsStream)
      return true
    }
    do throws(StatusError) {
      let frame = try intercepted.request(frame)
      if endsStream { intercepted.requestsEnded() }
      attemptWatch?.sent(frame, call.compression)
      stream.send(frame, endsStream: endsStream)
      return true
    } catch {
      close(error)
      return false
    }
  }

  final func writable() {
    guard !isOver else { return }
    call.withState { $0.flushed(queuedBytes: 0, by: self) }.resumeAll()
  }

  // MARK: Receiving

  final func initialMetadataReceived(_ metadata: Metadata, messageEncoding: String?) {
    guard !isOver else { return }
    attemptWatch?.received(metadata, encoding: messageEncoding)
    let call = call
    var metadata = metadata
    if let ticket { metadata = ticket.answered(with: metadata) }
    if let intercepted { metadata = intercepted.received(metadata, messageEncoding) }
    if call.isIntercepted { metadata = call.interception.hooked(metadata, from: connection.peer) }
    if call.terms.keepsAnswerOnAttempt {
      answer.initialMetadata = metadata
      answer.encoding = messageEncoding
      call.selection.load()?.commit()
    } else {
      call.initialMetadataReceived(metadata, messageEncoding: messageEncoding, on: self)
    }
  }

  final func messageReceived(_ message: [UInt8], isCompressed: Bool) {
    guard !isOver else { return }
    let call = call
    attemptWatch?.received(message, isCompressed: isCompressed, limit: call.terms.maxResponseBytes)
    var message = ReceivedMessage(message, isCompressed: isCompressed)
    if let intercepted {
      do throws(StatusError) { message = try intercepted.response(message) } catch { return close(error) }
    }
    guard call.hasOneResponse else {
      return call.withState { $0.messageReceived(message, on: self) }.resumeAll()
    }
    consume(message.bytes.count + MessageSink.prefixByteCount)
    if answer.message == nil {
      answer.message = message
    } else {
      call.fail(StatusError(.unimplemented, "the server sent more than one message for \(call.method.path)"))
    }
  }

  final func consume(_ byteCount: Int) { stream?.consume(byteCount) }

  /// An answer has begun: the call stays here.
  final var hasAnswer: Bool { answer.initialMetadata != nil }

  /// At the end, under the call's lock: what this server has said.
  final func giveAnswer(_ incoming: inout IncomingMessages, _ message: inout ReceivedMessage?) {
    if let initialMetadata = answer.initialMetadata.take() {
      incoming.metadata = initialMetadata
      incoming.encoding = answer.encoding.take()
    }
    message = answer.message.take()
  }

  // MARK: Ending

  final func closed(_ outcome: StreamOutcome) {
    guard !isOver else { return }
    isOver = true
    stream = nil
    attemptWatch.take()?.ended(outcome)
    let wasSent = outcome.processing.wasSent
    let call = call
    report(wasSent ? outcome.code : .cancelled, wasSent ? outcome.origin : .local, to: call)
    var outcome = outcome
    if let ticket {
      ticket.end(outcome, wasSent: wasSent, startedAt: startedAt)
      outcome = ticket.answered(with: outcome)
    }
    guard let intercepted else { return call.attemptEnded(outcome, on: self) }
    intercepted.ended(outcome)
  }

  /// An interceptor has thrown at a message.
  private func close(_ error: StatusError) {
    stream?.cancel()
    closed(StreamOutcome(status: error.status, trailingMetadata: error.metadata, origin: error.origin))
  }

  /// The interceptors have come to an end: this is the attempt's outcome.
  private func settled(_ outcome: StreamOutcome) {
    guard intercepted != nil else { return }
    intercepted = nil
    if !isOver {
      isOver = true
      let stream = stream.take()
      stream?.cancel()
      givenUp(.cancelled, wasSent: stream != nil)
    }
    call.attemptEnded(outcome, on: self)
  }

  /// Resets the stream if it is open. No event comes after it.
  final func cancel(code: StatusCode) {
    preparation.take()?.cancel()
    intercepted.take()?.ended(StreamOutcome(status: Status(code: code, message: "the call is over"), origin: .local))
    guard !isOver else { return }
    isOver = true
    if code == .deadlineExceeded { stream?.deadlinePassed() } else { stream?.cancel() }
    givenUp(code, wasSent: stream.take() != nil)
  }

  private func givenUp(_ code: StatusCode, wasSent: Bool) {
    let outcome = StreamOutcome(status: Status(code: code, message: ""), origin: .local)
    attemptWatch.take()?.ended(outcome)
    report(code, .local, to: call)
    ticket?.end(outcome, wasSent: wasSent, startedAt: startedAt)
  }

  private func report(_ code: StatusCode, _ origin: StatusError.Origin, to call: ClientCall) {
    call.channel.attemptEnded(subchannel, of: call.method, code: code, origin: origin, startedAt: startedAt)
  }
}

extension CallAttempt: ClientStreamHandler {}
