import Synchronization
package import VoleryLoadBalancing
package import VoleryTransport
package import VoleryTypes

/// What a call learns when it asks for a connection.
package enum PickOutcome {
  /// The subchannel has counted the call.
  case connection(any ClientConnection, Subchannel)
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

// What calls ask: any thread, no hop, no lock that callers contend on.
extension ChannelCore {
  package func pick(_ request: PickRequest, waitForReady: Bool) -> PickOutcome {
    let snapshot = published.current
    guard !snapshot.isIdle else {
      loop.execute { [self] in exitIdle() }
      return .wait(snapshot.generation)
    }
    switch snapshot.picker.pick(for: request) {
    case .pick(let subchannel): return connection(of: subchannel, in: snapshot)
    case .queue:
      if snapshot.state == .idle { loop.execute { [self] in exitIdle() } }
      return .wait(snapshot.generation)
    case .fail(let error):
      if snapshot.state != .shutdown, waitForReady || snapshot.awaitsResolution { return .wait(snapshot.generation) }
      return .fail(ChannelCore.fromControlPlane(error))
    case .drop(let error): return .drop(ChannelCore.fromControlPlane(error))
    }
  }

  private func connection(of subchannel: Subchannel, in snapshot: PublishedPicker) -> PickOutcome {
    guard let offer = snapshot.offers[subchannel.id] else {
      // The policy picks what has no connection: asks for one, and lets the call wait for it.
      loop.execute { [self] in policy.connect(subchannel.id) }
      return .wait(snapshot.generation)
    }
    var connection = offer.withRoom
    if connection == nil {
      if offer.isOutdated { return .wait(snapshot.generation) }
      if offer.mayGrow { loop.execute { [self] in offer.driver.grow(for: self) } }
      if offer.mayGrow || offer.isGrowing { return .wait(snapshot.generation) }
      connection = offer.queueing(subchannel.outstandingCalls)
    }
    guard let connection else { return .wait(snapshot.generation) }
    subchannel.callStarted()
    return .connection(connection, subchannel)
  }

  /// The codes that only an application may use are INTERNAL when they come from a policy (gRFC A54).
  private static func fromControlPlane(_ error: StatusError) -> StatusError {
    switch error.code {
    case .invalidArgument, .notFound, .alreadyExists, .failedPrecondition, .aborted, .outOfRange, .dataLoss:
      StatusError(.internal, "the load balancing policy said \(error.code): \(error.message)")
    default: error
    }
  }

  /// Calls `waiter.pickerChanged` once, on the control loop, when there is something new since this generation; soon when
  /// there already is.
  package func wait(for generation: PickerGeneration, _ waiter: any PickWaiter) {
    let isNewer = waiters.withLock { waiters in
      let current = published.current
      if current.generation > generation, !current.onlyQueues { return true }
      waiters[ObjectIdentifier(waiter)] = waiter
      return false
    }
    if isNewer { loop.execute { waiter.pickerChanged() } }
  }

  package func cancelWait(_ waiter: any PickWaiter) {
    waiters.withLock { $0[ObjectIdentifier(waiter)] = nil }
  }

  /// What the service config says of a method now.
  package func methodConfig(for method: MethodDescriptor) -> MethodConfig? {
    let snapshot = published.current
    return snapshot.hasMethodConfigs ? snapshot.serviceConfig[method] : nil
  }

  /// A call begins; what keeps it from that, if anything.
  package var refusal: StatusError? { refusesCalls.load(ordering: .relaxed) ? ChannelCore.closed : nil }

  package func callStarted() {
    activity.started()
    retryThrottle.callStarted()
  }

  package func callEnded() {
    if activity.ended() { loop.execute { [self] in becameQuiet() } }
  }

  /// A picked call's attempt is over.
  package func attemptEnded(
    _ subchannel: Subchannel, code: StatusCode, origin: StatusError.Origin, startedAt: ContinuousClock.Instant
  ) {
    subchannel.callEnded(code: code, origin: origin)
    if origin == .peer || code == .ok { (subchannel.connection as? SubchannelDriver)?.callAnswered(for: self) }
    guard callReports.isWanted else { return }
    let duration = startedAt.duration(to: .now)
    let report = CallReport(subchannel: subchannel.id, code: code, origin: origin, duration: duration)
    if callReports.add(report) { loop.execute { [self] in giveCallReports() } }
  }

  /// For error messages: the target, what came of connecting to the addresses that `message` does not name yet, and what
  /// the resolver last said and when.
  package func situation(besides message: String = "") -> String {
    let now = clock.now()
    let attempts = attempts.withLock { $0.text(besides: message, at: now) }.map { "; \($0)" } ?? ""
    return "target \(target)\(attempts); \(report.withLock { $0.text(at: now) })"
  }
}
