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
    if outbox.isHalfClosed { return .finished }
    if mustWait { return .wait }
    outbox.append(frame)
    return .queued(running.takeUnscheduled())
  }

  private var mustWait: Bool { isTransportFull || outbox.isFull }

  /// Registers a writer that has to wait; false: it need not, any more.
  mutating func waitToSend(_ waiter: WaiterList.Waiter) -> Bool {
    guard !hasEnded, !outbox.isHalfClosed, mustWait else { return false }
    writers.add(waiter)
    return true
  }

  /// Whom the caller has to flush, and tasks that wait to send, for which it is too late.
  mutating func halfClose() -> (RunningAttempts.Unscheduled, WaiterList) {
    guard !hasEnded, outbox.halfClose() else { return (RunningAttempts.Unscheduled(), WaiterList()) }
    return (running.takeUnscheduled(), writers.takeAll())
  }

  /// What an attempt lacks, and attempts that the call has left, to be cancelled.
  struct Flush: ~Copyable {
    var part: Outbox.Part
    var abandoned: [CallAttempt]?
  }

  /// Nil: the attempt is not this call's any more.
  mutating func takeFlush(for attempt: CallAttempt) -> Flush? {
    let count = outbox.count
    let isHalfClosed = outbox.isHalfClosed
    let before = running.change(attempt) { record in
      defer {
        record.sentCount = count
        record.isHalfCloseSent = isHalfClosed
        record.isFlushScheduled = false
      }
      return (sentCount: record.sentCount, isHalfCloseSent: record.isHalfCloseSent)
    }
    guard let before else { return nil }
    let part = outbox.part(from: before.sentCount, endsStream: isHalfClosed && !before.isHalfCloseSent)
    // What is too much to be kept can't be sent to another one.
    guard isCommitted || outbox.isOverReplayLimit else { return Flush(part: part, abandoned: nil) }
    return Flush(part: part, abandoned: commit(to: attempt))
  }

  mutating func flushed(queuedBytes: Int, by attempt: CallAttempt) -> WaiterList {
    guard running.contains(attempt) else { return WaiterList() }
    isTransportFull = queuedBytes >= Outbox.highWaterMark
    return isTransportFull ? WaiterList() : writers.takeAll()
  }

  // MARK: Receiving

  /// Nil: the attempt is not this call's any more.
  ///
  /// - Returns: Attempts that are not needed any more, and who waits for this.
  mutating func initialMetadataReceived(
    _ metadata: consuming Metadata, messageEncoding: consuming String?, on attempt: CallAttempt
  ) -> (abandoned: [CallAttempt], waiters: WaiterList)? {
    guard running.contains(attempt) else { return nil }
    initialMetadata = metadata
    responseEncoding = messageEncoding
    return (commit(to: attempt), metadataReaders.takeAll())
  }

  mutating func messageReceived(_ message: consuming ReceivedMessage, on attempt: CallAttempt) -> WaiterList {
    guard running.contains(attempt) else { return WaiterList() }
    inbox.append(message)
    return readers.takeAll()
  }

  enum ReceiveVerdict {
    case message(ReceivedMessage, credit: Int, attempt: CallAttempt?)
    case wait
    case ended(StreamOutcome)
  }

  mutating func receive() -> ReceiveVerdict {
    if let message = inbox.popFirst() {
      pendingCredit += message.bytes.count + MessageSink.prefixByteCount
      guard pendingCredit >= ClientCallState.creditThreshold, let attempt = running.only else {
        return .message(message, credit: 0, attempt: nil)
      }
      defer { pendingCredit = 0 }
      return .message(message, credit: pendingCredit, attempt: attempt)
    }
    if let verdict { return .ended(verdict) }
    return .wait
  }

  /// Registers a reader that has to wait; false: it need not, any more.
  mutating func waitToReceive(_ waiter: WaiterList.Waiter) -> Bool {
    guard verdict == nil, inbox.isEmpty else { return false }
    readers.add(waiter)
    return true
  }

  /// The same for who waits for the initial metadata.
  mutating func waitForMetadata(_ waiter: WaiterList.Waiter) -> Bool {
    guard verdict == nil, initialMetadata == nil else { return false }
    metadataReaders.add(waiter)
    return true
  }

  // MARK: The end

  /// Registers who waits for what the caller gets; false: it is there.
  mutating func waitForVerdict(_ waiter: WaiterList.Waiter) -> Bool {
    guard verdict == nil else { return false }
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

  /// Returns false when the call is over already.
  mutating func goneOn() -> (mayStart: Bool, waiters: WaiterList) {
    holder = nil
    isStarted = true
    return (!hasEnded, writers.takeAll())
  }

  /// Registers a writer that has to wait until interceptors have gone on; false: it need not.
  mutating func waitForStart(_ waiter: WaiterList.Waiter) -> Bool {
    guard !isStarted, !hasEnded else { return false }
    writers.add(waiter)
    return true
  }

  /// An interceptor answers in the server's place. Nil: there is an answer already.
  mutating func answered(_ message: consuming ReceivedMessage, isOnlyOne: Bool) -> WaiterList? {
    if isOnlyOne {
      guard response == nil else { return nil }
      response = message
    } else {
      inbox.append(message)
    }
    return readers.takeAll()
  }

  /// The whole of a call whose server sends one message.
  struct Answer: ~Copyable {
    var outcome: StreamOutcome
    var message: ReceivedMessage?
    var initialMetadata: Metadata
    var responseEncoding: String?
    var peer: Peer?
  }

  /// After the end, once: what is taken is not here any more.
  mutating func takeAnswer() -> Answer? {
    guard let verdict else { return nil }
    return Answer(
      outcome: verdict, message: response.take(), initialMetadata: initialMetadata ?? Metadata(),
      responseEncoding: responseEncoding, peer: lastPeer)
  }
}
