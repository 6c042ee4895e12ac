import Synchronization
package import VoleryLoadBalancing
import VoleryObservation
package import VoleryTransport
package import VoleryTypes

/// What a call learns when it asks for a connection.
package enum PickOutcome {
  /// The subchannel has counted the call; the ticket is there where the picker wants more than that.
  case connection(any ClientConnection, Subchannel, PickTicket?)
  /// Nothing is ready: wait for a newer picker than this.
  case wait(PickerGeneration)
  /// Nothing can be reached, and the call does not want to wait; the text is for people.
  case fail(StatusError)
  /// As `fail`, and never to be retried.
  case drop(StatusError)
}

/// Somebody who waits for the next picker.
package protocol PickWaiter: AnyObject, Sendable {
  func pickerChanged()
}

/// The half of a channel that calls use, from any thread, without a hop and without a lock that callers contend on: what
/// the control plane has published, and the counts of what calls do. Calls hold this and not the control plane.
package final class DataPlane: Sendable {
  package let options: ChannelOptions
  /// Nothing of the channel's stands between a pick and its stream: no interceptors of attempts, and no credentials.
  let hasPlainAttempts: Bool
  /// The `:authority` of calls.
  package let authority: String
  /// The control plane's.
  package let loop: any TransportLoop
  let published: StripedValue<PublishedPicker>
  let activity: CallActivity
  /// Nil: nobody looks.
  let observer: (any Observer)?
  let observed: ObservedChannel
  let retryThrottle = RetryThrottle()
  let callReports = CallReportBatch()
  /// Set once no more calls are taken.
  let refusesCalls = Atomic<Bool>(false)
  private let waiters = Mutex<[ObjectIdentifier: any PickWaiter]>([:])
  /// Alive as long as a call runs; set once, before there is one.
  nonisolated(unsafe) weak var control: ChannelCore?  // Isolation: constant

  init(
    options: ChannelOptions, target: String, authority: String, loop: any TransportLoop, clock: ChannelClock,
    snapshot: PublishedPicker
  ) {
    self.options = options
    hasPlainAttempts = options.attemptInterceptors.isEmpty && options.callCredentials.isEmpty
    observer = ObserverList.observer(of: options.observers)
    let throttle = retryThrottle
    observed = ObservedChannel(target: target, authority: authority) { throttle.left }
    self.authority = authority
    self.loop = loop
    published = StripedValue(snapshot)
    activity = CallActivity(clock: clock)
  }

  /// Does something in the control plane, later.
  private func inControlPlane(_ work: @escaping @Sendable (ChannelCore) -> Void) {
    loop.execute { [self] in
      if let control { work(control) }
    }
  }

  // MARK: Picking

  /// - Parameter snapshot: What the control plane has published.
  func pick(
    _ request: borrowing PickRequest, waitForReady: Bool, in snapshot: borrowing PublishedPicker
  ) -> PickOutcome {
    guard !snapshot.isIdle else {
      inControlPlane { $0.exitIdle() }
      return .wait(snapshot.generation)
    }
    switch snapshot.picker.pick(for: request) {
    case .pick(let subchannel): return connection(of: subchannel, nil, in: snapshot)
    case .attempt(let pick): return connection(for: pick, in: snapshot)
    case .queue:
      if snapshot.state == .idle { inControlPlane { $0.exitIdle() } }
      return .wait(snapshot.generation)
    case .fail(let error):
      if snapshot.state != .shutdown, waitForReady || snapshot.awaitsResolution { return .wait(snapshot.generation) }
      return .fail(DataPlane.fromControlPlane(error, "load balancing policy"))
    case .drop(let error): return .drop(DataPlane.fromControlPlane(error, "load balancing policy"))
    }
  }

  /// How often a policy is asked again for another server.
  private static let maxRepeatedPicks = 4

  /// The same for one more attempt, which prefers other servers than those of `avoided` subchannels: the policy is asked again a
  /// few times while it comes to one of them. What was picked in vain counts as busy meanwhile, so that policies which look at
  /// that come to another one sooner.
  func pick(
    _ request: borrowing PickRequest, waitForReady: Bool, avoiding avoided: [Int],
    in snapshot: borrowing PublishedPicker
  ) -> PickOutcome {
    var rejected: [Subchannel] = []
    defer { for subchannel in rejected { subchannel.callEnded(code: .cancelled, origin: .local) } }
    while true {
      let outcome = pick(request, waitForReady: waitForReady, in: snapshot)
      guard case .connection(_, let subchannel, _) = outcome, avoided.contains(subchannel.id),
        rejected.count < DataPlane.maxRepeatedPicks
      else { return outcome }
      rejected.append(subchannel)
    }
  }

  private func connection(for pick: Pick, in snapshot: borrowing PublishedPicker) -> PickOutcome {
    let ticket = PickTicket(pick)
    if !pick.metadata.isEmpty, let violation = pick.metadata.violation {
      let text = "the picker of the load balancing policy \"\(snapshot.policyName)\" adds metadata: \(violation)"
      return .drop(StatusError(.internal, text))
    }
    return connection(of: pick.subchannel, ticket, in: snapshot)
  }

  private func connection(
    of subchannel: Subchannel, _ ticket: PickTicket?, in snapshot: borrowing PublishedPicker
  ) -> PickOutcome {
    guard let offer = snapshot.offers[subchannel.id] else {
      if let fault = fault(of: subchannel, in: snapshot) { return .drop(fault) }
      // The policy picks what has no connection: asks for one, and lets the call wait for it.
      let generation = snapshot.generation
      inControlPlane { $0.connect(subchannel, pickedBy: generation) }
      return .wait(generation)
    }
    var connection = offer.withRoom
    if connection == nil {
      if offer.isOutdated { return .wait(snapshot.generation) }
      if offer.mayGrow { inControlPlane { offer.driver.grow(for: $0) } }
      if offer.mayGrow || offer.isGrowing { return .wait(snapshot.generation) }
      connection = offer.queueing(subchannel.outstandingCalls)
    }
    guard let connection else { return .wait(snapshot.generation) }
    subchannel.callStarted()
    return .connection(connection, subchannel, ticket)
  }

  /// The newest picker names what can't ever have a connection.
  private func fault(of subchannel: Subchannel, in snapshot: borrowing PublishedPicker) -> StatusError? {
    let isForeign = (subchannel.connection as? SubchannelDriver)?.home.dataPlane != ObjectIdentifier(self)
    guard isForeign || subchannel.isRemoved, published.current.generation == snapshot.generation else { return nil }
    let owner = subchannel.owner.isEmpty ? "it" : "its child \"\(subchannel.owner.joined(separator: "/"))\""
    let what = isForeign ? "that is not of this channel" : "that \(owner) has given up"
    return StatusError(
      .internal,
      "the load balancing policy \"\(snapshot.policyName)\" picks a server \(what): \(subchannel.endpoint)")
  }

  /// The codes that only an application may use are INTERNAL when they come from a policy, or a config selector (gRFC A54).
  static func fromControlPlane(_ error: StatusError, _ who: String) -> StatusError {
    switch error.code {
    case .invalidArgument, .notFound, .alreadyExists, .failedPrecondition, .aborted, .outOfRange, .dataLoss:
      StatusError(.internal, "the \(who) said \(error.code): \(error.message)")
    default: error
    }
  }

  // MARK: Waiting

  /// Calls `waiter.pickerChanged` once, on the control loop, when there is something new since this generation; soon when
  /// there already is.
  package func wait(for generation: PickerGeneration, _ waiter: any PickWaiter) {
    let isNewer = waiters.withLock { waiters in
      if published.current.concernsCalls(since: generation) { return true }
      waiters[ObjectIdentifier(waiter)] = waiter
      return false
    }
    if isNewer { loop.execute { waiter.pickerChanged() } }
  }

  package func cancelWait(_ waiter: any PickWaiter) {
    waiters.withLock { $0[ObjectIdentifier(waiter)] = nil }
  }

  /// In the control plane: calls have to look again.
  func publish(_ snapshot: PublishedPicker) {
    let before = published.current.generation
    published.replace(with: snapshot)
    guard snapshot.concernsCalls(since: before) else { return }
    let waiting = waiters.withLock { waiters in
      defer { waiters = [:] }
      return Array(waiters.values)
    }
    for waiter in waiting { waiter.pickerChanged() }
  }

  // MARK: The life of calls

  /// What keeps a call from beginning, if anything.
  package var refusal: StatusError? { refusesCalls.load(ordering: .relaxed) ? ChannelCore.closed : nil }

  /// Tells the observers, if there are any.
  func observe(_ event: @autoclosure () -> ChannelEvent) {
    if let observer { observer.happened(event(), to: observed) }
  }

  package func callStarted() {
    activity.started()
    retryThrottle.callStarted()
  }

  package func callEnded() {
    if activity.ended() { inControlPlane { $0.becameQuiet() } }
  }

  /// A picked call's attempt is over.
  func attemptEnded(
    _ subchannel: Subchannel, of method: MethodDescriptor, code: StatusCode, origin: StatusError.Origin,
    startedAt: Moment
  ) {
    if let change = subchannel.callEnded(code: code, origin: origin) { standingChanged(subchannel.id, change) }
    if subchannel.isJudged, method.kind == .unary {
      let change = subchannel.unaryCallEnded(
        method: method.nameHash, nanoseconds: startedAt.nanoseconds(to: .now), code: code)
      if let change { standingChanged(subchannel.id, change) }
    }
    if origin == .peer || code == .ok, subchannel.standing.isFirstAnswer() {
      inControlPlane { _ in (subchannel.connection as? SubchannelDriver)?.callAnswered() }
    }
    guard callReports.isWanted else { return }
    let duration = startedAt.duration(to: .now)
    let report = CallReport(subchannel: subchannel.id, code: code, origin: origin, duration: duration)
    if callReports.add(report) { inControlPlane { $0.giveCallReports() } }
  }

  private func standingChanged(_ subchannel: Int, _ change: StandingChange) {
    guard observer != nil else { return }
    inControlPlane {
      switch change {
      case .ejected: $0.dataPlane.observe(.subchannelEjected(id: subchannel))
      case .readmitted: $0.dataPlane.observe(.subchannelReadmitted(id: subchannel))
      }
    }
  }

  /// For error messages: `ChannelReport`.
  func situation(besides message: String) -> String {
    control?.report.text(besides: message) ?? "the channel is closed"
  }
}

extension PickTicket {
  /// How an attempt ended, as the caller gets it: what the picker adds to an answer goes to the trailers where these are all of it.
  func answered(with outcome: StreamOutcome) -> StreamOutcome {
    guard wantsAnswer, outcome.isTrailersOnly else { return outcome }
    return outcome.with(trailingMetadata: answered(with: outcome.trailingMetadata))
  }

  /// The picker hears of an attempt's end.
  func end(_ outcome: borrowing StreamOutcome, wasSent: Bool, startedAt: Moment) {
    end(
      PickEnd(
        code: wasSent || outcome.code == .deadlineExceeded ? outcome.code : .cancelled,
        origin: wasSent ? outcome.origin : .local, wasSent: wasSent, trailingMetadata: outcome.trailingMetadata,
        duration: startedAt.duration(to: .now)))
  }
}
