import VoleryLoadBalancing
import VoleryTransport
import VoleryTypes

/// Keeps one subchannel's connection: connects when told, waits out its backoff, tells its channel of each change. Runs in
/// the channel's control plane.
///
///     idle --connect--> connecting --ready--> ready --lost, GOAWAY--> idle
///                         |                 (a going-away connection finishes its calls by itself)
///                  failed v
///                      transientFailure --backoff over--> idle
final class SubchannelDriver: @unchecked Sendable {
  let id: Int
  let endpoint: Endpoint
  private(set) var state = ConnectivityState.idle
  private(set) var connection: (any ClientConnection)?
  private unowned let core: ChannelCore
  private var backoff = Backoff()
  private var attempt: EndpointAttempt?
  private var current: (any ConnectionAttempt)?
  private var timer: (any TransportTimer)?
  private var wantsConnection = false
  private var attemptNumber = 0

  init(id: Int, endpoint: Endpoint, core: ChannelCore) {
    self.id = id
    self.endpoint = endpoint
    self.core = core
  }

  // MARK: What the policy wants

  func connect() {
    switch state {
    case .idle: startAttempt()
    case .transientFailure: wantsConnection = true
    case .connecting, .ready, .shutdown: return
    }
  }

  /// No more calls; those that run finish.
  func remove() {
    timer?.cancel()
    attempt?.cancel()
    attempt = nil
    state = .shutdown
    connection?.drain()
    connection = nil
    current = nil
  }

  func closeNow() {
    let connection = connection
    remove()
    connection?.close(reason: "the channel was closed")
  }

  func resetBackoff() {
    backoff.reset()
    if state == .transientFailure {
      timer?.cancel()
      becomeIdle()
    }
  }

  // MARK: Connecting

  private func startAttempt() {
    let started = ContinuousClock.now
    wantsConnection = false
    attemptNumber += 1
    change(to: .connecting, error: nil)
    guard state == .connecting else { return }
    let limit = min(core.options.connectTimeout, .seconds(1 << min(attemptNumber - 1, 10)))
    attempt = EndpointAttempt(endpoint: endpoint, timeout: limit, core: core) { [weak self] result in
      self?.attempted(result, started: started)
    }
    attempt?.start()
  }

  private func attempted(_ result: EndpointAttempt.Outcome, started: ContinuousClock.Instant) {
    attempt = nil
    guard state == .connecting else {
      if case .connected(let connection, _) = result { connection.close(reason: "not needed any more") }
      return
    }
    switch result {
    case .connected(let connection, let handle):
      backoff.reset()
      attemptNumber = 0
      self.connection = connection
      current = handle
      change(to: .ready, error: nil)
    case .failed(let error):
      let wait = backoff.failed() - started.duration(to: .now)
      timer = core.loop.scheduleTimer(after: max(wait, .zero)) { [weak self] in self?.becomeIdle() }
      change(to: .transientFailure, error: error)
      core.addressFailed()
    }
  }

  private func becomeIdle() {
    guard state == .transientFailure else { return }
    change(to: .idle, error: nil)
    if wantsConnection { connect() }
  }

  // MARK: The connection

  func connectionDraining(_ handle: ObjectIdentifier, reason: String) { lost(handle) }

  func connectionClosed(_ handle: ObjectIdentifier, error: String?) { lost(handle) }

  private func lost(_ handle: ObjectIdentifier) {
    guard state == .ready, let current, ObjectIdentifier(current) == handle else { return }
    connection = nil
    self.current = nil
    core.connectionLost()
    change(to: .idle, error: nil)
  }

  private func change(to new: ConnectivityState, error: StatusError?) {
    guard state != .shutdown else { return }
    state = new
    core.subchannelChanged(id, to: new, error: error)
  }
}
