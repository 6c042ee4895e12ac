import Synchronization
import VoleryLoadBalancing
import VoleryPrimitives
import VoleryTransport
public import VoleryTypes

// The attempts of a call: what begins them, what follows when one has ended.
extension ClientCall {
  /// Starts the call, which is configured as the snapshot says; its first messages may already be queued.
  @usableFromInline func start(_ snapshot: PublishedPicker) {
    if channel.refusesCalls.load(ordering: .relaxed), let refusal = channel.refusal { return refuse(refusal) }
    // Most calls have nothing that could be refused.
    if hasMoreToCheck {
      if let refusal { return refuse(refusal) }
      if isDelayed() { return }
    }
    if isLate { return deadlinePassed() }
    begin(with: channel.pick(pickRequest, waitForReady: terms.waitForReady, in: snapshot), startedAt)
  }

  /// The same for a call with one request and one answer, without interceptors: queues the one, and resumes the task that waits
  /// for the other. All of it under one lock where the call gets a connection at once.
  @usableFromInline func start(
    _ snapshot: PublishedPicker, _ frame: consuming MessageFrame, _ waiter: UnsafeContinuation<Void, Never>
  ) {
    let opening = ClientCallState.Opening(request: frame, waiter: waiter)
    if hasMoreToCheck || isLate || channel.refusesCalls.load(ordering: .relaxed) {
      open(opening)
      return start(snapshot)
    }
    begin(with: channel.pick(pickRequest, waitForReady: terms.waitForReady, in: snapshot), startedAt, opening)
  }

  private func open(_ opening: ClientCallState.Opening) {
    if !withState({ $0.open(opening) }) { opening.waiter.resume() }
  }

  /// There is metadata, or a config selector has spoken.
  private var hasMoreToCheck: Bool { !metadata.isEmpty || selection.load() != nil }

  /// It began behind its deadline.
  private var isLate: Bool {
    guard let timer = deadlineTimer.load() else { return false }
    return !(startedAt < timer.deadline.moment)
  }

  private func refuse(_ error: StatusError) { fail(error) }

  /// The config selector wants the call to wait, or to fail (gRFC A33), before it looks for a server.
  private func isDelayed() -> Bool {
    switch selection.load()?.takeFault() ?? .none {
    case .none: return false
    case .fail(let error): refuse(error)
    case .wait(let delay):
      startDeadlineTimer(on: channel.loop)
      schedule(after: delay) { call in
        if let failure = call.selection.load()?.endDelay() { return call.refuse(failure) }
        call.beginAttempt()
      }
    }
    return true
  }

  /// Somebody who waited for a server looks again.
  func pickerChanged() { beginAttempt() }

  /// One more attempt, where the channel's policy says; not where one has failed or runs already, if there is another server.
  private func beginAttempt() {
    guard let avoided = withState({ $0.hasEnded ? nil : $0.avoided }) else { return }
    let snapshot = channel.published.current
    if avoided.isEmpty, configure(in: snapshot) {
      if let refusal { return refuse(refusal) }
      if !(.now < deadline.moment) { return deadlinePassed() }
      if isDelayed() { return }
    }
    let pick = channel.pick(pickRequest, waitForReady: terms.waitForReady, avoiding: avoided, in: snapshot)
    begin(with: pick, .now)
  }

  private var pickRequest: PickRequest {
    PickRequest(path: method.path, metadata: metadata, selected: selection.load()?.selected)
  }

  private func begin(
    with pick: consuming PickOutcome, _ now: Moment, _ opening: consuming ClientCallState.Opening? = nil
  ) {
    switch consume pick {
    case .connection(let connection, let subchannel, let ticket):
      // A call that has not waited for a server is its own first attempt, once.
      let attempt = now == startedAt && isFirstAttempt() ? self : CallAttempt(of: self, startedAt: now)
      attempt.place(on: connection, subchannel, ticket)
      start(attempt, opening)
    case .wait(let generation):
      if let opening { open(opening) }
      if waitsForOthers() { return }
      if watch != nil { withState { $0.waits(since: now) } }
      startDeadlineTimer(on: channel.loop)
      channel.wait(for: generation, self)
      // It may have ended before it waited.
      if withState({ $0.hasEnded }) { channel.cancelWait(self) }
    case .fail(let error), .drop(let error):
      if let opening { open(opening) }
      if !waitsForOthers() { end(explained(error, on: nil)) }
    }
  }

  private func start(_ attempt: CallAttempt, _ opening: consuming ClientCallState.Opening?) {
    let waiter = opening?.waiter
    let verdict = withState { state in
      if let opening = opening.take() { _ = state.open(opening) }
      return state.attemptStarted(attempt)
    }
    switch verdict {
    case .started(nil): attempt.onLoop { attempt.begin() }
    case .started(let delay?):
      attempt.onLoop { attempt.begin() }
      next(after: delay)
    case .unwanted:
      attempt.onLoop { attempt.cancel(code: .cancelled) }
      // A call that has just been opened is unwanted where it has ended: its waiter was not taken.
      waiter?.resume()
    }
  }

  /// No server for one more attempt: the others go on. Returns false when there are none.
  private func waitsForOthers() -> Bool {
    guard let delay = withState({ $0.foundNoServer() }) else { return false }
    next(after: delay)
    return true
  }

  /// The next attempt begins after this time; any other time that was set for it counts no more.
  private func next(after delay: Duration) {
    guard delay > .zero else {
      // Not from inside: attempts that end at once would pile up on the stack.
      return channel.loop.execute { [self] in nextIsDue() }
    }
    schedule(after: delay) { $0.nextIsDue() }
  }

  private func schedule(after delay: Duration, _ work: @escaping @Sendable (ClientCall) -> Void) {
    let timer = AttemptTimer(on: channel.loop)
    let (old, isWanted) = withState { state in
      let old = state.timer.take()
      if !state.hasEnded { state.timer = timer }
      return (old, !state.hasEnded)
    }
    old?.cancel()
    guard isWanted else { return }
    timer.start(after: delay) { [weak self] in
      if let self { work(self) }
    }
  }

  /// The same attempt once more, unless the call ends before.
  private func again(after delay: Duration) { schedule(after: delay) { $0.beginAttempt() } }

  private func nextIsDue() {
    switch withState({ $0.nextIsDue(throttle: channel.retryThrottle) }) {
    case .begin: beginAttempt()
    case .none: return
    case .end(let ended): attemptsEnded(ended)
    }
  }

  func attemptEnded(_ outcome: StreamOutcome, on attempt: CallAttempt) {
    let outcome = outcome.isOK ? outcome : explained(outcome, on: attempt)
    switch withState({ $0.attemptEnded(outcome, on: attempt, throttle: channel.retryThrottle) }) {
    case .none: return
    case .again(after: .zero): beginAttempt()
    case .again(let delay): again(after: delay)
    case .another(let delay): next(after: delay)
    case .end(let ended, let abandoned):
      abandon(abandoned)
      attemptsEnded(ended)
    }
  }

  /// Interceptors have the last word, and until then the deadline holds.
  private func attemptsEnded(_ ended: ClientCallState.Ended) {
    guard isIntercepted else { return self.ended(ended) }
    ended.timer?.cancel()
    ended.waiters.resumeAll()
  }

  func abandon(_ attempts: [CallAttempt]) {
    for attempt in attempts { attempt.onLoop { attempt.cancel(code: .cancelled) } }
  }

  func head(of attempt: CallAttempt, _ metadata: consuming Metadata) -> ClientRequestHead {
    var head = ClientRequestHead(
      path: method.path, authority: authority, timeout: deadlineTimer.load()?.deadline.timeRemaining,
      metadata: metadata, contentSubtype: contentSubtype, maxResponseMessageBytes: terms.maxResponseBytes)
    if compression.code != 0 { head.messageEncoding = compression.name }
    head.acceptedEncodings = Compression.acceptedNames
    head.previousAttempts = attempt.place.previousAttempts
    return head
  }
}
