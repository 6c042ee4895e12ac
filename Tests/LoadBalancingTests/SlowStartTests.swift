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

  @Test("the part grows from the least to all, faster at first with more aggression") func part() {
    var settings = SlowStart()
    settings.window = .seconds(10)
    #expect(settings.part(after: .zero) == 0.1 && settings.part(after: .seconds(5)) == 0.5)
    #expect(settings.part(after: .seconds(10)) == 1)
    settings.aggression = 2
    #expect(settings.part(after: .milliseconds(2500)) == 0.5)
  }
}
