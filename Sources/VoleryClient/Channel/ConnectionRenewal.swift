import VoleryTransport
import VoleryTypes

/// Makes a subchannel's next connection before the present one has to end; until it is there, the present one serves on. In
/// the channel's control plane.
///
/// - A connection that is old (`ChannelOptions.maxConnectionAge`), or has used three quarters of its stream ids (gRFC A105),
///   is replaced: it gets no more calls once the next one is there.
/// - To one that its server is about to end (`ConnectionForesight`) the next one stands by.
final class ConnectionRenewal: @unchecked Sendable {  // Isolation: loop
  /// What becomes of the present connection.
  enum Purpose { case replace, standBy }

  private struct Connection {
    var opened: ChannelClock.Instant
    var connectTime: Duration
    var timers: [any TransportTimer] = []
    var dial: EndpointDial?
    var purpose = Purpose.standBy
    /// Of dials to replace it.
    var backoff: Backoff
    var hasNext = false

    func cancelTimers() { for timer in timers { timer.cancel() } }
  }

  private let maxAge: Duration?
  private let endpoint: Endpoint
  private let subchannel: Int
  private unowned let core: ChannelCore
  /// The present one and the next one.
  private let made: (ChannelConnection, ChannelConnection, Purpose) -> Void
  private var connections: [ObjectIdentifier: Connection] = [:]
  private(set) var foresight = ConnectionForesight()

  init(
    endpoint: Endpoint, subchannel: Int, core: ChannelCore,
    made: @escaping (_ present: ChannelConnection, _ next: ChannelConnection, Purpose) -> Void
  ) {
    maxAge = core.options.maxConnectionAge.map { max($0, .milliseconds(100)) }
    self.endpoint = endpoint
    self.subchannel = subchannel
    self.core = core
    self.made = made
  }

  func opened(_ connection: ChannelConnection) {
    let now = core.clock.now()
    connections[ObjectIdentifier(connection)] = Connection(
      opened: now, connectTime: connection.startedAt.duration(to: now), backoff: Backoff(core.options.backoff))
    if let maxAge { schedule(.replace, of: connection, after: maxAge * (0.9 + 0.2 * core.clock.random())) }
    if let streams = foresight.forecast.streams { connection.connection?.announceEnd(afterStreams: streams) }
    if let age = foresight.forecast.age { schedule(.standBy, of: connection, after: age) }
  }

  func nearsEnd(_ connection: ChannelConnection, _ cause: NearEnd) {
    switch cause {
    case .streamIDs: begin(.replace, of: connection)
    case .expected: begin(.standBy, of: connection)
    }
  }

  /// What became of a connection that takes no more calls.
  struct Departure {
    /// It was to be expected, by the server's habit.
    var isExpected = false
    /// The dial for the next one that is under way.
    var dial: EndpointDial?
  }

  func ended(_ connection: ChannelConnection, _ end: ConnectionEnd? = nil) -> Departure {
    guard let gone = connections.removeValue(forKey: ObjectIdentifier(connection)) else { return Departure() }
    gone.cancelTimers()
    var departure = Departure(dial: gone.dial)
    if let end, end.cause == .goodbye || end.cause == .renewal, end.tally.served > 0 {
      let end = ConnectionForesight.End(
        streams: end.tally.taken, age: gone.opened.duration(to: core.clock.now()), connectTime: gone.connectTime)
      departure.isExpected = foresight.expects(end)
      foresight.ended(end)
    }
    return departure
  }

  func stop() {
    for connection in connections.values {
      connection.cancelTimers()
      connection.dial?.cancel()
    }
    connections = [:]
  }

  private func schedule(_ purpose: Purpose, of connection: ChannelConnection, after delay: Duration) {
    let timer = core.loop.scheduleTimer(after: delay) { [weak self, weak connection] in
      guard let self, let connection else { return }
      // Nobody needs a connection that waits where no calls come.
      if purpose == .replace || core.dataPlane.activity.quietTime < .seconds(1) { begin(purpose, of: connection) }
    }
    connections[ObjectIdentifier(connection)]?.timers.append(timer)
  }

  private func begin(_ purpose: Purpose, of connection: ChannelConnection) {
    let id = ObjectIdentifier(connection)
    guard let present = connections[id] else { return }
    if purpose == .replace { connections[id]?.purpose = .replace }
    guard present.dial == nil, purpose == .replace || !present.hasNext else { return }
    let dial = EndpointDial(endpoint: endpoint, subchannel: subchannel, timeout: .seconds(5), core: core) {
      [weak self, weak connection] in
      if let connection { self?.dialed($0, for: connection) }
    }
    connections[id]?.dial = dial
    dial.start()
  }

  private func dialed(_ outcome: EndpointDial.Outcome, for connection: ChannelConnection) {
    let id = ObjectIdentifier(connection)
    guard let present = connections[id] else {
      if case .opened(let next) = outcome { next.close(reason: "not needed") }
      return
    }
    connections[id]?.dial = nil
    switch outcome {
    case .opened(let next):
      connections[id]?.hasNext = true
      if present.purpose == .replace { _ = ended(connection) }
      made(connection, next, present.purpose)
    case .failed:
      // One that would only stand by is not worth another dial.
      guard present.purpose == .replace, let delay = connections[id]?.backoff.failed(random: core.clock.random()) else {
        return
      }
      schedule(.replace, of: connection, after: delay)
    }
  }
}
