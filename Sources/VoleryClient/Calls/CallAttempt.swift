import Synchronization
import VoleryLoadBalancing
import VoleryObservation
import VoleryPrimitives
import VoleryTransport
import VoleryTypes

/// One try of a call on one connection: its credentials, its stream, its own outcome. The transport's handler, and the one
/// place that touches the stream.
///
/// Everything but `init` runs on the connection's loop, but for what is marked.
final class CallAttempt: ClientStreamHandler, @unchecked Sendable {  // Isolation: loop
  let call: ClientCall
  let connection: any ClientConnection
  let subchannel: Subchannel
  /// What the picker wants besides; nil: nothing.
  private let ticket: PickTicket?
  private let startedAt: Moment
  /// Nil until opened and after the end.
  @exclusivity(unchecked) private var stream: (any ClientStream)?
  @exclusivity(unchecked) private var isOver = false
  /// What has to be done before the stream opens; cancelled with the attempt.
  @exclusivity(unchecked) private var preparation: Task<Void, Never>?
  /// Nil without interceptors around attempts.
  @exclusivity(unchecked) private var interception: InterceptedAttempt?
  /// Set when the call takes the attempt.
  @exclusivity(unchecked) var place = AttemptPlace()
  /// Nil unless somebody looks.
  @exclusivity(unchecked) private var watch: AttemptWatch?

  /// What a unary call's server has said so far: nobody can ask for it before the end, so the call's lock is left alone.
  @exclusivity(unchecked) private var answer = HeldAnswer()

  /// Any thread.
  init(
    call: ClientCall, connection: any ClientConnection, subchannel: Subchannel, ticket: PickTicket?, startedAt: Moment
  ) {
    self.ticket = ticket
    self.call = call
    self.connection = connection
    self.subchannel = subchannel
    self.startedAt = startedAt
  }

  /// Any thread: runs `work` on the connection's loop, now if this is it.
  func onLoop(_ work: @escaping @Sendable () -> Void) {
    let loop = connection.transportLoop
    if loop.isCurrent { work() } else { loop.execute(work) }
  }

  // MARK: Beginning

  func begin() {
    guard !isOver else { return }
    call.startDeadlineTimer(on: connection.transportLoop)
    guard call.channel.options.attemptInterceptors.isEmpty else { return intercept() }
    proceed(with: nil)
  }

  /// Runs the interceptors, which proceed.
  private func intercept() {
    let interception = InterceptedAttempt(self)
    self.interception = interception
    preparation = Task {
      let outcome = await interception.run()
      self.onLoop { self.settled(outcome) }
    }
  }

  /// - Parameter metadata: As interceptors have left it; nil: the call's.
  func proceed(with metadata: Metadata?) {
    guard !isOver else { return }
    if call.hasCredentials { prepare(with: call.credentials, metadata) } else { open(metadata) }
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
        onLoop { [self, all] in open(all) }
      } catch {
        onLoop { [self] in
          if !isOver { call.fail(error) }
        }
      }
    }
    if interception == nil { preparation = asking } else { interception?.preparation = asking }
  }

  /// - Parameter metadata: Nil: the call's.
  private func open(_ metadata: Metadata?) {
    guard !isOver, let flush = call.withState({ $0.takeFlush(for: self) }) else { return }
    var metadata = metadata ?? call.metadata
    if let ticket, !ticket.metadata.isEmpty { metadata.append(contentsOf: ticket.metadata) }
    if call.watch?.hearsAttempts == true, let observer = call.watch?.observer { show(&metadata, to: observer) }
    stream = connection.openStream(call.head(of: self, metadata), handler: self)
    send(flush)
  }

  private func show(_ metadata: inout Metadata, to observer: any CallObserver) {
    let attempt = ObservedAttempt(
      cause: place.cause, previousAttempts: place.previousAttempts, peer: connection.peer, subchannel: subchannel.id,
      waited: place.waited)
    watch = observer.attemptStarted(attempt, metadata: &metadata).map(AttemptWatch.init)
  }

  // MARK: Sending

  /// Gives the transport what the call has queued.
  func flush() {
    guard stream != nil, let flush = call.withState({ $0.takeFlush(for: self) }) else { return }
    send(flush)
  }

  private func send(_ flush: consuming ClientCallState.Flush) {
    if let abandoned = flush.abandoned {
      call.selection.load()?.commit()
      call.abandon(abandoned)
    }
    guard let stream else { return }
    let endsStream = flush.part.endsStream
    if interception == nil, watch == nil, flush.part.rest == nil, let only = flush.part.first.take() {
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
        interception?.requestsEnded()
        stream.halfClose()
      }
      return true
    }
    let rest = part.rest.take() ?? []
    guard send(first, endsStream: endsStream && rest.isEmpty, on: stream) else { return false }
    for index in rest.indices {
      guard send(rest[index], endsStream: endsStream && index + 1 == rest.endIndex, on: stream) else { return false }
    }
    return true
  }

  /// Returns false when an interceptor does not let it pass.
  private func send(_ frame: MessageFrame, endsStream: Bool, on stream: any ClientStream) -> Bool {
    guard let interception else {
      watch?.sent(frame, call.compression)
      stream.send(frame, endsStream: endsStream)
      return true
    }
    do throws(StatusError) {
      let frame = try interception.request(frame)
      if endsStream { interception.requestsEnded() }
      watch?.sent(frame, call.compression)
      stream.send(frame, endsStream: endsStream)
      return true
    } catch {
      close(error)
      return false
    }
  }

  func writable() {
    guard !isOver else { return }
    call.withState { $0.flushed(queuedBytes: 0, by: self) }.resumeAll()
  }

  // MARK: Receiving

  func initialMetadataReceived(_ metadata: Metadata, messageEncoding: String?) {
    guard !isOver else { return }
    watch?.received(metadata, encoding: messageEncoding)
    var metadata = metadata
    if let ticket { metadata = ticket.answered(with: metadata) }
    if let interception { metadata = interception.received(metadata, messageEncoding) }
    if call.isIntercepted { metadata = call.interception.hooked(metadata, from: connection.peer) }
    if call.terms.keepsAnswerOnAttempt {
      answer.initialMetadata = metadata
      answer.encoding = messageEncoding
      call.selection.load()?.commit()
    } else {
      call.initialMetadataReceived(metadata, messageEncoding: messageEncoding, on: self)
    }
  }

  func messageReceived(_ message: [UInt8], isCompressed: Bool) {
    guard !isOver else { return }
    watch?.received(message, isCompressed: isCompressed, limit: call.terms.maxResponseBytes)
    var message = ReceivedMessage(message, isCompressed: isCompressed)
    if let interception {
      do throws(StatusError) { message = try interception.response(message) } catch { return close(error) }
    }
    guard call.hasOneResponse else {
      return call.withState { $0.messageReceived(message, on: self) }.resumeAll()
    }
    consume(message.bytes.count + MessageSink.prefixByteCount)
    if answer.message != nil {
      call.fail(StatusError(.unimplemented, "the server sent more than one message for \(call.method.path)"))
      return
    }
    answer.message = message
  }

  func consume(_ byteCount: Int) { stream?.consume(byteCount) }

  /// An answer has begun: the call stays here.
  var hasAnswer: Bool { answer.initialMetadata != nil }

  /// At the end, under the call's lock: what this server has said.
  func giveAnswer(_ incoming: inout IncomingMessages, _ message: inout ReceivedMessage?) {
    if let initialMetadata = answer.initialMetadata.take() {
      incoming.metadata = initialMetadata
      incoming.encoding = answer.encoding.take()
    }
    message = answer.message.take()
  }

  // MARK: Ending

  func closed(_ outcome: StreamOutcome) {
    guard !isOver else { return }
    isOver = true
    stream = nil
    watch.take()?.ended(outcome)
    let wasSent = outcome.processing.wasSent
    report(wasSent ? outcome.code : .cancelled, wasSent ? outcome.origin : .local)
    var outcome = outcome
    if let ticket {
      ticket.end(outcome, wasSent: wasSent, startedAt: startedAt)
      outcome = ticket.answered(with: outcome)
    }
    guard let interception else { return call.attemptEnded(outcome, on: self) }
    interception.ended(outcome)
  }

  /// An interceptor has thrown at a message.
  private func close(_ error: StatusError) {
    stream?.cancel()
    closed(StreamOutcome(status: error.status, trailingMetadata: error.metadata, origin: error.origin))
  }

  /// The interceptors have come to an end: this is the attempt's outcome.
  private func settled(_ outcome: StreamOutcome) {
    guard interception != nil else { return }
    interception = nil
    if !isOver {
      isOver = true
      let stream = stream.take()
      stream?.cancel()
      givenUp(.cancelled, wasSent: stream != nil)
    }
    call.attemptEnded(outcome, on: self)
  }

  /// Resets the stream if it is open. No event comes after it.
  func cancel(code: StatusCode) {
    preparation.take()?.cancel()
    interception.take()?.ended(StreamOutcome(status: Status(code: code, message: "the call is over"), origin: .local))
    guard !isOver else { return }
    isOver = true
    if code == .deadlineExceeded { stream?.deadlinePassed() } else { stream?.cancel() }
    givenUp(code, wasSent: stream.take() != nil)
  }

  private func givenUp(_ code: StatusCode, wasSent: Bool) {
    let outcome = StreamOutcome(status: Status(code: code, message: ""), origin: .local)
    watch.take()?.ended(outcome)
    report(code, .local)
    ticket?.end(outcome, wasSent: wasSent, startedAt: startedAt)
  }

  private func report(_ code: StatusCode, _ origin: StatusError.Origin) {
    call.channel.attemptEnded(subchannel, of: call.method, code: code, origin: origin, startedAt: startedAt)
  }
}
