import VoleryPrimitives
import VoleryTransport
import VoleryTypes

// The messages of a call, both ways.
extension ClientCallState {
  // MARK: Sending

  enum SendVerdict {
    /// Queued; whom the caller has to flush.
    case queued(RunningAttempts.Unscheduled)
    case wait
    /// Another task has said that there are no more messages.
    case finished
    case ended(StreamOutcome)
  }

  mutating func send(_ frame: MessageFrame) -> SendVerdict {
    if let outcome { return .ended(outcome) }
    if outgoing.outbox.isHalfClosed { return .finished }
    if outgoing.mustWait { return .wait }
    outgoing.outbox.append(frame)
    return .queued(running.takeUnscheduled())
  }

  /// Registers a writer that has to wait; false: it need not, any more.
  mutating func waitToSend(_ waiter: WaiterList.Waiter) -> Bool {
    guard !hasEnded, !outgoing.outbox.isHalfClosed, outgoing.mustWait else { return false }
    outgoing.writers.add(waiter)
    return true
  }

  /// Whom the caller has to flush, and tasks that wait to send, for which it is too late.
  mutating func halfClose() -> (RunningAttempts.Unscheduled, WaiterList) {
    guard !hasEnded, outgoing.outbox.halfClose() else { return (RunningAttempts.Unscheduled(), WaiterList()) }
    return (running.takeUnscheduled(), outgoing.writers.takeAll())
  }

  /// What an attempt lacks, and attempts that the call has left, to be cancelled.
  struct Flush: ~Copyable {
    var part: Outbox.Part
    var abandoned: [CallAttempt]?
  }

  /// Nil: the attempt is not this call's any more.
  mutating func takeFlush(for attempt: CallAttempt) -> Flush? {
    let count = outgoing.outbox.count
    let isHalfClosed = outgoing.outbox.isHalfClosed
    let before = running.change(attempt) { record in
      defer {
        record.sentCount = count
        record.isHalfCloseSent = isHalfClosed
        record.isFlushScheduled = false
      }
      return (sentCount: record.sentCount, isHalfCloseSent: record.isHalfCloseSent)
    }
    guard let before else { return nil }
    let part = outgoing.outbox.part(from: before.sentCount, endsStream: isHalfClosed && !before.isHalfCloseSent)
    // What is too much to be kept can't be sent to another one.
    guard isCommitted || outgoing.outbox.isOverReplayLimit else { return Flush(part: part, abandoned: nil) }
    return Flush(part: part, abandoned: commit(to: attempt))
  }

  mutating func flushed(queuedBytes: Int, by attempt: CallAttempt) -> WaiterList {
    guard running.contains(attempt) else { return WaiterList() }
    outgoing.isTransportFull = queuedBytes >= Outbox.highWaterMark
    return outgoing.isTransportFull ? WaiterList() : outgoing.writers.takeAll()
  }

  // MARK: Receiving

  /// Nil: the attempt is not this call's any more.
  ///
  /// - Returns: Attempts that are not needed any more, and who waits for this.
  mutating func initialMetadataReceived(
    _ metadata: consuming Metadata, messageEncoding: consuming String?, on attempt: CallAttempt
  ) -> (abandoned: [CallAttempt], waiters: WaiterList)? {
    guard running.contains(attempt) else { return nil }
    incoming.metadata = metadata
    incoming.encoding = messageEncoding
    return (commit(to: attempt), incoming.metadataReaders.takeAll())
  }

  mutating func messageReceived(_ message: consuming ReceivedMessage, on attempt: CallAttempt) -> WaiterList {
    guard running.contains(attempt) else { return WaiterList() }
    incoming.inbox.append(message)
    return incoming.readers.takeAll()
  }

  enum ReceiveVerdict {
    case message(ReceivedMessage, credit: Int, attempt: CallAttempt?)
    case wait
    case ended(StreamOutcome)
  }

  mutating func receive() -> ReceiveVerdict {
    if let message = incoming.inbox.popFirst() {
      incoming.pendingCredit += message.bytes.count + MessageSink.prefixByteCount
      guard incoming.pendingCredit >= IncomingMessages.creditThreshold, let attempt = running.only else {
        return .message(message, credit: 0, attempt: nil)
      }
      defer { incoming.pendingCredit = 0 }
      return .message(message, credit: incoming.pendingCredit, attempt: attempt)
    }
    if let verdict { return .ended(verdict) }
    return .wait
  }

  /// Registers a reader that has to wait; false: it need not, any more.
  mutating func waitToReceive(_ waiter: WaiterList.Waiter) -> Bool {
    guard !hasVerdict, incoming.inbox.isEmpty else { return false }
    incoming.readers.add(waiter)
    return true
  }

  /// The same for who waits for the initial metadata.
  mutating func waitForMetadata(_ waiter: WaiterList.Waiter) -> Bool {
    guard !hasVerdict, incoming.metadata == nil else { return false }
    incoming.metadataReaders.add(waiter)
    return true
  }

  // MARK: The end

  /// Registers who waits for what the caller gets; false: it is there.
  mutating func waitForVerdict(_ waiter: WaiterList.Waiter) -> Bool {
    guard !hasVerdict else { return false }
    enders.add(waiter)
    return true
  }

  /// The same for how the attempts end, which interceptors learn first.
  mutating func waitForAttempts(_ waiter: WaiterList.Waiter) -> Bool {
    guard !hasEnded else { return false }
    enders.add(waiter)
    return true
  }

  // MARK: Interceptors

  /// They have gone on. The call may not start where it is over already.
  mutating func goneOn() -> (mayStart: Bool, largestMessage: Int) {
    isStarted = true
    return (!hasEnded, outgoing.outbox.largestMessage)
  }

  /// Registers a writer that has to wait until interceptors have gone on; false: it need not.
  mutating func waitForStart(_ waiter: WaiterList.Waiter) -> Bool {
    guard !isStarted, !hasEnded else { return false }
    outgoing.writers.add(waiter)
    return true
  }

  /// Whether interceptors that have come to an end with OK have a message for the caller, where the server sends one: they may
  /// have caught how the call failed.
  var hasMessage: Bool { response != nil || outcome?.isOK == true }

  /// The same as the call has ended with OK, and they have nothing to add. Nil: it was settled before, or it is not so.
  mutating func settle() -> Ended? {
    guard !hasVerdict, let outcome, outcome.isOK else { return nil }
    let plainOrigin = plainOrigin(of: outcome)
    interceptedOutcome = outcome
    return Ended(waiters: takeWaiters(), timer: nil, plainOrigin: plainOrigin)
  }

  /// Interceptors have come to an end with OK.
  ///
  /// - Parameters:
  ///   - initial: What they want the caller to see; nil: what the server has sent.
  ///   - trailing: The same.
  mutating func settle(initial: Metadata?, trailing: Metadata?) -> Settlement? {
    if let initial { incoming.metadata = initial }
    let trailing = trailing ?? outcome?.trailingMetadata ?? Metadata()
    return settle(StreamOutcome(status: .ok, trailingMetadata: trailing, origin: .peer))
  }

  /// An interceptor answers in the server's place. Nil: there is an answer already.
  mutating func answered(_ message: consuming ReceivedMessage, isOnlyOne: Bool) -> WaiterList? {
    if isOnlyOne {
      guard response == nil else { return nil }
      response = message
    } else {
      incoming.inbox.append(message)
    }
    return incoming.readers.takeAll()
  }

  /// The whole of a call whose server sends one message.
  struct Answer: ~Copyable {
    var outcome: StreamOutcome
    var message: ReceivedMessage?
    var initialMetadata: Metadata
    var responseEncoding: String?
    var peer: Peer?
  }

  /// The same for a call without interceptors that ended with OK and whose message is not compressed. Nil: it is another one.
  mutating func takeResponse() -> ResponseBytes? {
    guard outcome?.isOK == true, response?.isCompressed == false, let message = response.take() else { return nil }
    return ResponseBytes(
      bytes: message.bytes, isCompressed: false, initialMetadata: incoming.metadata.take() ?? Metadata(),
      trailingMetadata: outcome?.trailingMetadata ?? Metadata(), peer: lastPeer)
  }

  /// After the end, once: what is taken is not here any more.
  mutating func takeAnswer() -> Answer? {
    guard let verdict else { return nil }
    return Answer(
      outcome: verdict, message: response.take(), initialMetadata: incoming.metadata ?? Metadata(),
      responseEncoding: incoming.encoding, peer: lastPeer)
  }
}
