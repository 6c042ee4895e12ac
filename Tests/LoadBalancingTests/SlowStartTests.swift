import Synchronization
import Testing
import VoleryLoadBalancing
import VoleryTypes

@Suite("Slow start") struct SlowStartTests {
  private func makeChannel() throws -> FakeChannel {
    let json = #"{"window": "10s", "childPolicy": [{"round_robin": {}}]}"#
    return try FakeChannel("slow_start", configuration: try JSONValue(parsing: json))
  }

  private func share(of port: Int, _ channel: FakeChannel) -> Double {
    Double((0..<8000).count { _ in channel.pickPort() == port }) / 8000
  }

  @Test("a new server's share grows with time, and is whole when the window is over") func grows() throws {
    let channel = try makeChannel()
    channel.update([1, 2, 3])
    channel.makeReady([1, 2, 3])
    #expect(abs(share(of: 3, channel) - 1.0 / 3) < 0.01, "nobody waits where all are new")
    channel.time = .seconds(60)
    channel.update([1, 2, 3, 4])
    channel.makeReady([4])
    // A tenth of a share: 0.1 / 3.1.
    #expect(abs(share(of: 4, channel) - 0.1 / 3.1) < 0.01)
    channel.time = .seconds(65)
    #expect(abs(share(of: 4, channel) - 0.5 / 3.5) < 0.02)
    channel.time = .seconds(71)
    #expect(abs(share(of: 4, channel) - 0.25) < 0.01)
    #expect(channel.timers.isEmpty)
  }

  @Test("a pick that a new server must not have yet is heard of by who has made it") func unheard() throws {
    let json = #"{"window": "10s", "childPolicy": [{"all_attempts": {}}]}"#
    let (picks, unused) = (Counter(), Counter())
    var registry = LoadBalancingRegistry.builtIn
    registry.register(
      AttemptsFactory {
        picks.add()
      } ended: { end in
        if !end.wasSent, end.code == .cancelled, end.origin == .local { unused.add() }
      })
    let channel = try FakeChannel(seed: 1) { context in
      var context = context
      context.registry = registry
      return try registry["slow_start"]!.makePolicy(configuration: try JSONValue(parsing: json), context: context)
    }
    channel.update([1])
    channel.makeReady([1])
    channel.time = .seconds(60)
    channel.update([1, 2])
    channel.makeReady([2])
    for _ in 0..<500 { #expect(channel.pick().subchannel != nil) }
    let passed = picks.count - 500
    #expect(passed > 100 && unused.count == passed)
  }

  @Test("the part grows from the least to all, faster at first with more aggression") func part() {
    var settings = SlowStart()
    settings.window = .seconds(10)
    #expect(settings.part(after: .zero) == 0.1 && settings.part(after: .seconds(5)) == 0.5)
    #expect(settings.part(after: .seconds(10)) == 1)
    settings.aggression = 2
    #expect(settings.part(after: .milliseconds(2500)) == 0.5)
  }
}

private final class Counter: Sendable {
  private let value = Atomic<Int>(0)
  var count: Int { value.load(ordering: .relaxed) }
  func add() { value.add(1, ordering: .relaxed) }
}

/// One after the other, each a pick that wants to hear of its end.
private struct AttemptsFactory: LoadBalancingPolicyFactory {
  let name = "all_attempts"
  let picked: @Sendable () -> Void
  let ended: @Sendable (PickEnd) -> Void

  init(picked: @escaping @Sendable () -> Void, ended: @escaping @Sendable (PickEnd) -> Void) {
    self.picked = picked
    self.ended = ended
  }

  func makePolicy(configuration: JSONValue, context: PolicyContext) throws -> any LoadBalancingPolicy {
    SpreadingPolicy(context: context) { [picked, ended] subchannels, _ in
      AttemptsPicker(subchannels: subchannels, picked: picked, ended: ended)
    }
  }
}

private final class AttemptsPicker: Picker {
  let subchannels: [Subchannel]
  let picked: @Sendable () -> Void
  let ended: @Sendable (PickEnd) -> Void
  let turn = Atomic<Int>(0)

  init(
    subchannels: [Subchannel], picked: @escaping @Sendable () -> Void, ended: @escaping @Sendable (PickEnd) -> Void
  ) {
    self.subchannels = subchannels
    self.picked = picked
    self.ended = ended
  }

  func pick(for call: PickRequest) -> PickResult {
    picked()
    let number = turn.add(1, ordering: .relaxed).newValue
    return .attempt(Pick(subchannels[number % subchannels.count], ended: ended))
  }
}
