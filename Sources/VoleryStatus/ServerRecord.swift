import Synchronization
import VoleryObservation
import VoleryPrimitives
import VoleryTypes

/// Collects what happens to one server.
final class ServerRecord: Sendable {
  private struct State {
    var addresses: [String] = []
    var isDraining = false
    var connections = 0
    var refused = 0
    var methods: [MethodDescriptor: MethodRecord] = [:]
    /// Of those that the server has not, and of those beyond the limit.
    var other: MethodRecord?
  }

  /// What all methods count in common; an object of its own, since theirs may outlive the server's.
  private final class Totals: Sendable {
    private struct State {
      var calls: CallCounter
      var latency: LatencyHistogram
    }

    private let state: Mutex<State>

    init(from start: Moment) {
      state = Mutex(State(calls: CallCounter(from: start), latency: LatencyHistogram(from: start)))
    }

    func started(at now: Moment) { state.withLock { $0.calls.started(at: now) } }

    func ended(_ end: ServerCallEnd, at now: Moment) {
      state.withLock { state in
        state.calls.ended(end.code)
        state.latency.add(nanoseconds: end.nanoseconds, at: now)
      }
    }

    func status(at now: Moment) -> (calls: CallTotals, latency: LatencyStatus) {
      state.withLock { ($0.calls.totals(at: now), $0.latency.status(at: now)) }
    }
  }

  private static let maxAddresses = 20

  private let id: Int
  private let options: StatusOptions
  private let clock: StatusClock
  private let totals: Totals
  private let state = Mutex(State())

  init(_ server: ObservedServer, _ options: StatusOptions, _ clock: StatusClock) {
    id = server.id
    self.options = options
    self.clock = clock
    totals = Totals(from: clock.start)
  }

  func callStarted(_ call: ObservedServerCall) -> any ServerCallObserver {
    let now = clock.now()
    let descriptor = call.isRegistered ? call.method : nil
    totals.started(at: now)
    let method = state.withLock { state in
      if let descriptor {
        if let method = state.methods[descriptor] { return method }
        if state.methods.count < options.maxMethods {
          let method = MethodRecord(descriptor.fullName, totals, clock)
          state.methods[descriptor] = method
          return method
        }
      }
      let method = state.other ?? MethodRecord("other", totals, clock)
      state.other = method
      return method
    }
    method.started(at: now)
    return method
  }

  func happened(_ event: ServerEvent) {
    switch event {
    case .listening(let addresses):
      let shown = addresses.prefix(ServerRecord.maxAddresses).map {
        String(foreign: $0.description, limit: options.maxText)
      }
      state.withLock { $0.addresses = shown }
    case .connectionRefused: state.withLock { $0.refused += 1 }
    case .connectionOpened: state.withLock { $0.connections += 1 }
    case .connectionClosed: state.withLock { $0.connections -= 1 }
    case .draining: state.withLock { $0.isDraining = true }
    case .stopped: break
    }
  }

  func status(at now: Moment) -> ServerStatus {
    let (state, methods) = state.withLock { ($0, $0.methods.values + [$0.other].compactMap { $0 }) }
    var status = ServerStatus(id: id, addresses: state.addresses)
    status.isDraining = state.isDraining
    status.connections = state.connections
    status.refused = state.refused
    (status.calls, status.latency) = totals.status(at: now)
    status.methods = methods.map { $0.status(at: now, maxText: options.maxText) }.sorted { $0.name < $1.name }
    return status
  }

  /// Counts the calls of one method. Hears of all of them.
  private final class MethodRecord: ServerCallObserver {
    private let name: String
    private let totals: Totals
    private let clock: StatusClock
    private let calls: Mutex<CallCounter>

    init(_ name: String, _ totals: Totals, _ clock: StatusClock) {
      self.name = name
      self.totals = totals
      self.clock = clock
      calls = Mutex(CallCounter(from: clock.start))
    }

    func started(at now: Moment) { calls.withLock { $0.started(at: now) } }

    func ended(_ end: ServerCallEnd) {
      calls.withLock { $0.ended(end.code) }
      totals.ended(end, at: clock.now())
    }

    /// The end is enough.
    var hearsMessages: Bool { false }

    func status(at now: Moment, maxText: Int) -> MethodStatus {
      MethodStatus(name: String(foreign: name, limit: maxText), calls: calls.withLock { $0.totals(at: now) })
    }
  }
}
