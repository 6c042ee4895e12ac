import VoleryLoadBalancing
package import VoleryTransport
package import VoleryTypes

/// Hears of a call that is forwarded, in the order
///
///     [initialMetadata] response* ended        (and `requestTaken` at any time)
package protocol ForwardedResponseHandler: AnyObject {
  func initialMetadataReceived(_ metadata: Metadata, messageEncoding: String?)

  /// Bytes of the response, as they came; valid during the call. They count against the server's window until `consume`.
  func responseReceived(_ bytes: UnsafeRawBufferPointer)

  /// The server's connection has taken bytes: `ForwardedRequest.queuedByteCount` is less.
  func requestTaken()

  /// The end, exactly once, unless the call was cancelled.
  func ended(_ outcome: StreamOutcome)
}

/// A call that somebody else has made, on its way to one of a channel's servers: what a proxy has for each. It finds its server
/// as the channel's own calls do, by the channel's resolver, service config and policy, and tells them how it ended; what it
/// carries is bytes, which nobody looks at.
///
/// No server has it until one's connection has taken its headers, and one that ends may say that it has not looked at it: then
/// it goes to another server, as long as all that was sent is still here (gRFC A6, transparent retries).
///
/// Everything on the channel's one loop, where its connections are too.
package final class ForwardedRequest: @unchecked Sendable {  // Isolation: loop
  private let channel: DataPlane
  private let method: MethodDescriptor
  private let head: ForwardedHead
  @exclusivity(unchecked) private var handler: (any ForwardedResponseHandler)?
  @exclusivity(unchecked) private var waitForReady = false
  @exclusivity(unchecked) private var selection: CallSelection?
  @exclusivity(unchecked) private var configuredAt: PickerGeneration?
  /// What was sent, as long as it may have to be sent again.
  @exclusivity(unchecked) private var kept = KeptRequest()
  @exclusivity(unchecked) private var isHalfClosed = false
  @exclusivity(unchecked) private var retries = TransparentRetries()
  @exclusivity(unchecked) private var isWaiting = false
  /// The attempt that runs.
  @exclusivity(unchecked) private var attempt: Attempt?
  @exclusivity(unchecked) private var stream: (any ClientStream)?
  /// Who hears of the call and of its attempts; nil: nobody.
  @exclusivity(unchecked) private var watch: ForwardedWatch?

  private struct Attempt {
    let subchannel: Subchannel
    let ticket: PickTicket?
    let startedAt: Moment
    let peer: Peer
  }

  /// - Parameter channel: One with a single loop.
  package init(
    on channel: Channel, _ method: MethodDescriptor, _ head: ForwardedHead, handler: any ForwardedResponseHandler
  ) {
    self.channel = channel.core.dataPlane
    self.method = method
    self.head = head
    self.handler = handler
  }

  /// Finds a server. `handler` may be told of the end before this returns.
  package func start() {
    channel.callStarted()
    if channel.observer != nil { watch = ForwardedWatch(channel, method, head.deadline) }
    if let refusal = channel.refusal { return end(StreamOutcome(status: refusal.status, origin: .local)) }
    begin()
  }

  /// The server that has the call now.
  package var peer: Peer? { attempt?.peer }

  // MARK: A server

  private func begin() {
    let snapshot = channel.published.current
    guard configure(in: snapshot) else { return }
    let request = PickRequest(
      path: method.path, metadata: selection?.metadata ?? head.fields.metadata, selected: selection?.selected)
    switch channel.pick(request, waitForReady: waitForReady, in: snapshot) {
    case .connection(let connection, let subchannel, let ticket): open(on: connection, subchannel, ticket)
    case .wait(let generation):
      isWaiting = true
      channel.wait(for: generation, self)
    case .fail(let error), .drop(let error):
      end(StreamOutcome(status: error.status, origin: .local, processing: .neverSent))
    }
  }

  /// Takes over what the channel says of the method. Returns false when that has ended the call, or lets it wait.
  private func configure(in snapshot: borrowing PublishedPicker) -> Bool {
    guard let known = snapshot.configuredAt, known != configuredAt else { return true }
    configuredAt = known
    var configuration = snapshot.methodConfig(for: method)
    if let selector = snapshot.selector {
      let selection = CallSelection(selector, method, head.fields.metadata)
      if let failure = selection.failure {
        end(StreamOutcome(status: failure.status, origin: .local))
        return false
      }
      self.selection = selection
      configuration = selection.methodConfig
    }
    waitForReady = configuration?.waitForReady ?? false
    switch selection?.takeFault() ?? .none {
    case .none: return true
    case .fail(let error): end(StreamOutcome(status: error.status, origin: .local))
    case .wait(let delay):
      AttemptTimer(on: channel.loop).start(after: delay) { [weak self] in
        guard let self, handler != nil else { return }
        guard let failure = selection?.endDelay() else { return begin() }
        end(StreamOutcome(status: failure.status, origin: .local))
      }
    }
    return false
  }

  private func open(on connection: any ClientConnection, _ subchannel: Subchannel, _ ticket: PickTicket?) {
    precondition(connection.transportLoop.isCurrent, "a channel that forwards calls has one loop")
    attempt = Attempt(subchannel: subchannel, ticket: ticket, startedAt: .now, peer: connection.peer)
    var metadata = selection?.metadata ?? head.fields.metadata
    if let ticket, !ticket.metadata.isEmpty { metadata.append(contentsOf: ticket.metadata) }
    if watch != nil { watch?.attemptStarted(on: connection.peer, subchannel.id, &metadata) }
    var request = ClientRequestHead(
      path: method.path, authority: authority, timeout: head.deadline.timeRemaining, metadata: metadata,
      contentSubtype: head.fields.contentSubtype)
    request.messageEncoding = head.fields.messageEncoding
    request.acceptedEncodings = head.fields.acceptedEncodings
    request.isForwarded = true
    let stream = connection.openStream(request, handler: self)
    self.stream = stream
    kept.forEach { stream.send(MessageFrame($0), endsStream: false) }
    if isHalfClosed { stream.halfClose() }
    if kept.byteCount > 0 { stream.tellWhenWritable() }
    kept.sent()
  }

  private var authority: String {
    switch head.authority {
    case .client where !head.fields.authority.isEmpty: head.fields.authority
    case .name(let name): name
    case .client, .channel: channel.authority
    }
  }

  // MARK: Intents

  /// Bytes that were sent and that no connection has taken.
  package var queuedByteCount: Int { stream?.queuedByteCount ?? kept.byteCount }

  package func send(_ bytes: [UInt8]) {
    guard handler != nil else { return }
    kept.add(bytes)
    guard let stream else { return }
    kept.sent()
    stream.send(MessageFrame(bytes), endsStream: false)
    stream.tellWhenWritable()
  }

  package func halfClose() {
    isHalfClosed = true
    stream?.halfClose()
  }

  /// Gives the server credit back for bytes that the other side has taken.
  package func consume(_ byteCount: Int) { stream?.consume(byteCount) }

  /// The client has given the call up, with this code of HTTP/2.
  package func cancel(resetCode: UInt32) {
    guard handler.take() != nil else { return }
    stream?.cancel(resetCode: resetCode)
    givenUp(.cancelled)
  }

  /// The call's time is up.
  package func deadlinePassed() {
    guard handler.take() != nil else { return }
    stream?.deadlinePassed()
    givenUp(.deadlineExceeded)
  }

  private func givenUp(_ code: StatusCode) {
    if isWaiting { channel.cancelWait(self) }
    let wasSent = stream.take() != nil
    let outcome = StreamOutcome(status: Status(code: code), origin: .local)
    report(outcome, code, .local, wasSent: wasSent)
    over(outcome)
  }

  // MARK: The end

  private func report(
    _ outcome: borrowing StreamOutcome, _ code: StatusCode, _ origin: StatusError.Origin, wasSent: Bool
  ) {
    guard let attempt = attempt.take() else { return }
    watch?.attemptEnded(outcome)
    channel.attemptEnded(
      attempt.subchannel, of: method, code: code, origin: origin, startedAt: attempt.startedAt)
    attempt.ticket?.end(outcome, wasSent: wasSent, startedAt: attempt.startedAt)
  }

  private func end(_ outcome: StreamOutcome) {
    let handler = handler.take()
    over(outcome)
    handler?.ended(outcome)
  }

  private func over(_ outcome: borrowing StreamOutcome) {
    watch.take()?.ended(outcome)
    stream = nil
    kept.letGo()
    selection?.commit()
    channel.callEnded()
  }
}

extension ForwardedRequest: PickWaiter {
  package func pickerChanged() {
    isWaiting = false
    if handler != nil, stream == nil { begin() }
  }
}

extension ForwardedRequest: ClientStreamHandler {
  package func initialMetadataReceived(_ metadata: Metadata, messageEncoding: String?) {
    kept.letGo()
    selection?.commit()
    watch?.received(metadata)
    let metadata = attempt?.ticket?.answered(with: metadata) ?? metadata
    handler?.initialMetadataReceived(metadata, messageEncoding: messageEncoding)
  }

  package func messageReceived(_ message: [UInt8], isCompressed: Bool) {
    preconditionFailure("a call is forwarded on connections that pass bytes")
  }

  package func bytesReceived(_ bytes: UnsafeRawBufferPointer) { handler?.responseReceived(bytes) }

  package func writable() {
    handler?.requestTaken()
    if let stream, stream.queuedByteCount > 0 { stream.tellWhenWritable() }
  }

  package func closed(_ outcome: StreamOutcome) {
    stream = nil
    var outcome = attempt.map { outcome.isOK ? outcome : outcome.with(peer: $0.peer) } ?? outcome
    let wasSent = outcome.processing.wasSent
    let ticket = attempt?.ticket
    report(outcome, wasSent ? outcome.code : .cancelled, wasSent ? outcome.origin : .local, wasSent: wasSent)
    if let ticket { outcome = ticket.answered(with: outcome) }
    guard kept.isComplete, handler != nil else { return end(outcome) }
    switch retries.next(after: outcome.processing) {
    case .none: end(outcome)
    case .giveUp: end(TransparentRetries.outcome(givenUp: outcome))
    case .now: begin()
    case .after(let pause):
      _ = channel.loop.scheduleTimer(after: pause) { [weak self] in
        if let self, handler != nil, stream == nil, !isWaiting { begin() }
      }
    }
  }
}
