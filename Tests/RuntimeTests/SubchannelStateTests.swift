import Testing
import VoleryClient
import VoleryTypes

@Suite("One server's attempts and pauses") struct SubchannelStateTests {
  private let start = ContinuousClock.now
  private let refused = StatusError(.unavailable, "refused")

  private func at(_ seconds: Double) -> ContinuousClock.Instant { start.advanced(by: .seconds(seconds)) }

  /// Ready since `seconds`.
  private func ready(at seconds: Double = 0) -> SubchannelState {
    var state = SubchannelState()
    _ = state.connectRequested(now: at(seconds))
    state.connectionOpened(now: at(seconds))
    return state
  }

  @Test("waits grow from 1 s by 1.6 to 120 s, and differ by a fifth at most (doc/connection-backoff.md)")
  func backoff() {
    var middle = Backoff()
    var shortest = Backoff()
    var longest = Backoff()
    var expected = 1.0
    for index in 0..<20 {
      let wait = middle.failed(random: 0.5)
      #expect(abs(wait / .seconds(1) - expected) < 0.001)
      let jitter = index == 0 ? 0 : 0.2
      #expect(abs(shortest.failed(random: 0) / .seconds(1) - expected * (1 - jitter)) < 0.001)
      #expect(abs(longest.failed(random: 1) / .seconds(1) - expected * (1 + jitter)) < 0.001)
      expected = min(expected * 1.6, 120)
    }
    middle.reset()
    #expect(middle.failed(random: 0.5) == .seconds(1))
  }

  @Test(
    "settings that make no sense still make waits", arguments: [Double.nan, .infinity, -1, 0],
    [Double.nan, .infinity, -1, 7])
  func nonsense(_ multiplier: Double, _ jitter: Double) {
    var values = ConnectionBackoff()
    values.multiplier = multiplier
    values.jitter = jitter
    values.initial = .zero
    var backoff = Backoff(values)
    for _ in 0..<100 {
      let wait = backoff.failed(random: 0.99)
      #expect(wait >= .zero && wait <= values.maximum * 2)
    }
  }

  @Test("the wait counts from the start of the attempt, which gets longer each time") func attempts() {
    var state = SubchannelState()
    #expect(state.connectRequested(now: at(0)) == .connect(timeout: .seconds(1)))
    #expect(state.connectRequested(now: at(0)) == .none, "on it already")
    #expect(state.dialFailed(refused, now: at(0.25), random: 0.5) == .wait(.seconds(0.75)))
    #expect(state.connectivity == .transientFailure)
    #expect(state.error == refused)
    #expect(state.connectRequested(now: at(0.5)) == .none, "it is remembered")
    #expect(state.waitOver(now: at(1)) == .connect(timeout: .seconds(2)))
    #expect(state.dialFailed(refused, now: at(3), random: 0.5) == .wait(.zero), "1.6 s are over")
    #expect(state.waitOver(now: at(3)) == .stopWaiting, "nobody wants it")
    #expect(state.phase == .idle)
    #expect(state.connectRequested(now: at(4)) == .connect(timeout: .seconds(4)))
    for timeout in [8, 16, 20, 20] {
      _ = state.dialFailed(refused, now: at(10), random: 0.5)
      _ = state.connectRequested(now: at(10))
      #expect(state.waitOver(now: at(11)) == .connect(timeout: .seconds(timeout)))
    }
    state.connectionOpened(now: at(12))
    #expect(state.connectivity == .ready)
    #expect(state.error == nil)
  }

  @Test("a connection that was useful starts the waits over, one that was not does not", arguments: [true, false])
  func useful(_ wasUseful: Bool) {
    var state = SubchannelState()
    _ = state.connectRequested(now: at(0))
    for _ in 0..<2 {
      _ = state.dialFailed(refused, now: at(0), random: 0.5)
      _ = state.connectRequested(now: at(0))
      _ = state.waitOver(now: at(0))
    }
    state.connectionOpened(now: at(1))
    _ = state.connectionLost(.init(reason: "closed", use: wasUseful ? .served : .none), now: at(1.1), random: 0.5)
    #expect(state.connectRequested(now: at(1.1)) == .connect(timeout: .seconds(1)))
    let wait = state.dialFailed(refused, now: at(1.1), random: 0.5)
    #expect(wait == .wait(wasUseful ? .seconds(1) : .seconds(1) * 1.6 * 1.6))
  }

  @Test("connections that end as soon as they are ready are bad luck three times, then a failure") func shortLives() {
    var state = SubchannelState()
    var now = 0.0
    for count in 1...4 {
      var action = state.connectRequested(now: at(now))
      if case .wait(let pause) = action {
        now += pause / .seconds(1)
        action = state.waitOver(now: at(now))
      }
      #expect(action == .connect(timeout: .seconds(1)))
      state.connectionOpened(now: at(now))
      now += 0.1
      action = state.connectionLost(.init(reason: "GOAWAY", use: .none), now: at(now), random: 0.5)
      #expect(state.connectivity == (count < 4 ? .idle : .transientFailure))
      if count == 4 {
        guard case .wait(let pause) = action else { return #expect(Bool(false), "\(action)") }
        #expect(abs(pause / .seconds(1) - 0.9) < 0.001, "1 s from the attempt's start on")
        #expect(state.error?.message.contains("4 in a row: GOAWAY") == true)
      }
    }
  }

  @Test("a connection that has served calls is followed by the next at once, however often, and however short it was")
  func usefulLives() {
    var state = SubchannelState()
    var now = 0.0
    for _ in 0..<1000 {
      guard case .connect = state.connectRequested(now: at(now)) else {
        Issue.record("\(state.phase)")
        return
      }
      state.connectionOpened(now: at(now))
      now += 0.01
      let action = state.connectionLost(.init(reason: "GOAWAY", use: .served), now: at(now), random: 0.5)
      guard action == .none, state.phase == .idle else {
        Issue.record("\(action), \(state.phase)")
        return
      }
    }
  }

  @Test("age does not make up for calls that were not served") func uselessLives() {
    var state = SubchannelState()
    var now = 0.0
    for count in 1...4 {
      if case .wait(let pause) = state.connectRequested(now: at(now)) {
        now += pause / .seconds(1)
        #expect(state.waitOver(now: at(now)) == .connect(timeout: .seconds(1)))
      }
      state.connectionOpened(now: at(now))
      now += 0.9
      _ = state.connectionLost(.init(reason: "GOAWAY", use: .none), now: at(now), random: 0.5)
      #expect(state.connectivity == (count < 4 ? .idle : .transientFailure))
    }
    state = ready()
    for count in 1...9 {
      let now = Double(count)
      _ = state.connectionLost(.init(reason: "idle for long", use: .idle), now: at(now), random: 0.5)
      #expect(state.connectRequested(now: at(now)) == .connect(timeout: .seconds(1)), "nobody wanted anything of it")
      state.connectionOpened(now: at(now))
    }
  }

  @Test("calls that go on after a goodbye decide later what the connection was good for", arguments: [true, false])
  func undecidedLives(_ isServed: Bool) {
    var state = SubchannelState()
    for count in 0..<4 {
      let now = Double(count) * 0.001
      #expect(state.connectRequested(now: at(now)) == .connect(timeout: .seconds(1)))
      state.connectionOpened(now: at(now))
      _ = state.connectionLost(.init(reason: "GOAWAY", use: .undecided), now: at(now), random: 0.5)
      #expect(state.connectivity == .idle)
    }
    for _ in 0..<4 { state.verdict(wasUseful: isServed) }
    let next = state.connectRequested(now: at(1))
    #expect(next == .connect(timeout: .seconds(1)))
    state.connectionOpened(now: at(1))
    _ = state.connectionLost(.init(reason: "GOAWAY", use: .none), now: at(1.1), random: 0.5)
    #expect(state.connectivity == (isServed ? .idle : .transientFailure))
  }

  @Test("after a loss it waits for its pause, and for the resolver until that has answered") func pausing() {
    var state = ready()
    let loss = SubchannelState.Loss(
      reason: "closed", use: .served, pause: .seconds(0.5), resolutionLimit: .seconds(2))
    #expect(state.connectionLost(loss, now: at(10), random: 0.5) == .none)
    #expect(state.connectivity == .idle)
    #expect(state.connectRequested(now: at(10)) == .wait(.seconds(2)))
    #expect(state.connectivity == .connecting)
    #expect(state.resolutionAnswered(now: at(10.25)) == .wait(.seconds(0.25)), "the pause goes on")
    #expect(state.waitOver(now: at(10.5)) == .connect(timeout: .seconds(1)))

    state = ready()
    _ = state.connectionLost(loss, now: at(10), random: 0.5)
    _ = state.connectRequested(now: at(10))
    #expect(state.resolutionAnswered(now: at(11)) == .connect(timeout: .seconds(1)))
  }

  @Test("who has nowhere else to go tries again at once, unless it has just done so") func redialWanted() {
    var state = SubchannelState()
    _ = state.connectRequested(now: at(0))
    _ = state.dialFailed(refused, now: at(0), random: 0.5)
    _ = state.connectRequested(now: at(0))
    #expect(state.redialWanted(ifStartedBefore: at(-1), now: at(0.5)) == .none)
    #expect(state.redialWanted(ifStartedBefore: at(0), now: at(0.5)) == .connect(timeout: .seconds(2)))
    #expect(state.dialFailed(refused, now: at(0.5), random: 0.5) == .wait(.seconds(1) * 1.6), "the backoff goes on")
    _ = state.connectRequested(now: at(0.5))
    #expect(state.backoffReset(now: at(0.6)) == .connect(timeout: .seconds(4)))
    #expect(state.dialFailed(refused, now: at(0.6), random: 0.5) == .wait(.seconds(1)), "it has started over")
  }

  @Test("what is given up does nothing any more") func removed() {
    for isReady in [false, true] {
      var state = SubchannelState()
      _ = state.connectRequested(now: at(0))
      if isReady { state.connectionOpened(now: at(0)) }
      #expect(state.removed() == .stopWaiting)
      #expect(state.connectivity == .shutdown)
      state.connectionOpened(now: at(1))
      #expect(state.dialFailed(refused, now: at(1), random: 0.5) == .none)
      #expect(state.connectionLost(.init(reason: "", use: .served), now: at(1), random: 0.5) == .none)
      #expect(state.connectRequested(now: at(1)) == .none)
      #expect(state.waitOver(now: at(1)) == .none)
      #expect(state.resolutionAnswered(now: at(1)) == .none)
      #expect(state.backoffReset(now: at(1)) == .none)
      #expect(state.connectivity == .shutdown)
    }
  }
}
