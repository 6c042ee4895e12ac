import Synchronization
package import VoleryLoadBalancing
import VoleryObservation
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

/// The half of a channel that calls use, from any thread, without a hop and without a lock that callers contend on: what
/// the control plane has published, and the counts of what calls do. Calls hold this and not the control plane.
package final class DataPlane: Sendable {
  package let options: ChannelOptions
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
  nonisolated(unsafe) weak var control: ChannelCore?

  init(
    options: ChannelOptions, target: String, authority: String, loop: any TransportLoop, clock: ChannelClock,
    snapshot: PublishedPicker
  ) {
    self.options = options
    observer = ObserverList.observer(of: options.observers)
    observed = ObservedChannel(target: target, authority: authority)
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
    case .pick(let subchannel): return connection(of: subchannel, in: snapshot)
    case .queue:
      if snapshot.state == .idle { inControlPlane { $0.exitIdle() } }
      return .wait(snapshot.generation)
    case .fail(let error):
      if snapshot.state != .shutdown, waitForReady || snapshot.awaitsResolution { return .wait(snapshot.generation) }
      return .fail(DataPlane.fromControlPlane(error))
    case .drop(let error): return .drop(DataPlane.fromControlPlane(error))
    }
  }

  private func connection(of subchannel: Subchannel, in snapshot: borrowing PublishedPicker) -> PickOutcome {
    guard let offer = snapshot.offers[subchannel.id] else {
      // The policy picks what has no connection: asks for one, and lets the call wait for it.
      inControlPlane { $0.connect(subchannel.id) }
      return .wait(snapshot.generation)
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

  // MARK: Waiting

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

  /// In the control plane: calls have to look again.
  func publish(_ snapshot: PublishedPicker) {
    published.replace(with: snapshot)
    guard !snapshot.onlyQueues else { return }
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
  func attemptEnded(_ subchannel: Subchannel, code: StatusCode, origin: StatusError.Origin, startedAt: Moment) {
    subchannel.callEnded(code: code, origin: origin)
    if origin == .peer || code == .ok, subchannel.isFirstAnswer() {
      inControlPlane { _ in (subchannel.connection as? SubchannelDriver)?.callAnswered() }
    }
    guard callReports.isWanted else { return }
    let duration = startedAt.duration(to: .now)
    let report = CallReport(subchannel: subchannel.id, code: code, origin: origin, duration: duration)
    if callReports.add(report) { inControlPlane { $0.giveCallReports() } }
  }

  /// For error messages: `ChannelCore.situation`.
  func situation(besides message: String) -> String {
    control?.situation(besides: message) ?? "the channel is closed"
  }
}
