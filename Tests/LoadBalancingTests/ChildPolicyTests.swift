import Testing
import VoleryLoadBalancing
import VoleryTypes

/// One connection for each endpoint, a timer with a number that everybody uses, and a note of all that it hears. A class, so that
/// a test sees into it wherever it hangs in a tree.
private final class Recorder: LoadBalancingPolicy {
  var heard: [String] = []
  var attributes = Attributes()
  var made: [Int: Subchannel] = [:]
  /// Said with the next event.
  var mischief: ((inout PolicyEffects) -> Void)?
  let delay: Duration

  init(delay: Duration = .seconds(1)) { self.delay = delay }

  func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    attributes = effects.attributes
    for endpoint in endpoints where !made.values.contains(where: { $0.endpoint == endpoint }) {
      let subchannel = effects.subchannel(for: endpoint)
      made[subchannel.id] = subchannel
      effects.connect(subchannel.id)
    }
    effects.startTimer(token: 7, after: delay)
    mischief.take()?(&effects)
    return !endpoints.isEmpty
  }

  func subchannelChanged(
    _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
  ) {
    heard.append("\(id) \(state)")
    switch state {
    case .ready: effects.publish(.ready, SinglePicker(subchannel: made[id]!))
    case .transientFailure:
      effects.publish(.transientFailure, FailingPicker(error: error ?? StatusError(.unavailable, "gone")))
    case .idle, .connecting, .shutdown: break
    }
    mischief.take()?(&effects)
  }

  func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
    effects.publish(.transientFailure, FailingPicker(error: error))
  }
  func timerFired(_ token: Int, _ effects: inout PolicyEffects) { heard.append("timer \(token)") }
  func callsEnded(_ calls: [CallReport], _ effects: inout PolicyEffects) { heard.append("\(calls.count) calls") }
  var observesCalls: Bool { true }
}

/// An endpoint list for each of two children; the first one that is ready serves.
private struct Family: LoadBalancingPolicy {
  var children = PolicyChildren<String>()
  let recorders: [String: Recorder]
  var observesCalls: Bool { children.observesCalls }

  mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    for (index, key) in recorders.keys.sorted().enumerated() {
      if children[key] == nil { children.add(recorders[key]!, name: key, for: key, &effects) }
      children.with(key) { $0.update([endpoints[index]], &effects) }
    }
    return true
  }

  mutating func subchannelChanged(
    _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
  ) {
    guard let key = children.subchannelChanged(id, to: state, error: error, &effects) else { return }
    guard children.takeNews().contains(key), let child = children[key] else { return }
    effects.publish(child.state, child.picker)
  }

  mutating func childTimerFired(_ timer: PolicyTimer, _ effects: inout PolicyEffects) {
    _ = children.timerFired(timer, &effects)
  }

  mutating func callsEnded(_ calls: [CallReport], _ effects: inout PolicyEffects) {
    children.callsEnded(calls, &effects)
  }

  mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
    children.resolverFailed(error, &effects)
  }

  /// For `exitIdle`, which a test uses as a command.
  mutating func exitIdle(_ effects: inout PolicyEffects) { children.remove("a", &effects) }
}

/// Exchanges its child when told.
private struct Switching: LoadBalancingPolicy {
  var children: GracefulSwitch<ChildPolicy>
  var order: [Recorder]
  private var endpoints: [Endpoint] = []

  init(_ order: [Recorder]) {
    self.order = Array(order.dropFirst())
    children = GracefulSwitch(ChildPolicy(order[0], name: "first"))
  }

  mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    self.endpoints = endpoints
    defer { children.passOn(&effects) }
    return children.update(endpoints, &effects)
  }

  mutating func exitIdle(_ effects: inout PolicyEffects) {
    children.change(to: order.removeFirst(), name: "next", &effects)
    children.update(endpoints, &effects)
    children.passOn(&effects)
  }

  mutating func subchannelChanged(
    _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
  ) {
    children.subchannelChanged(id, to: state, error: error, &effects)
    children.passOn(&effects)
  }

  mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
    children.resolverFailed(error, &effects)
    children.passOn(&effects)
  }

  mutating func childTimerFired(_ timer: PolicyTimer, _ effects: inout PolicyEffects) {
    children.timerFired(timer, &effects)
  }
}

@Suite("Policies below policies") struct ChildPolicyTests {
  @Test("children with timers of the same number hear of their own only") func timers() {
    let (a, b) = (Recorder(delay: .seconds(1)), Recorder(delay: .seconds(2)))
    let channel = FakeChannel(Family(recorders: ["a": a, "b": b]))
    channel.update([1, 2])
    #expect(channel.timers.count == 2)
    channel.time = .milliseconds(1500)
    #expect((a.heard.filter { $0 == "timer 7" }.count, b.heard.filter { $0 == "timer 7" }.count) == (1, 0))
    channel.time = .milliseconds(2500)
    #expect((a.heard.filter { $0 == "timer 7" }.count, b.heard.filter { $0 == "timer 7" }.count) == (1, 1))
  }

  @Test("a child hears of its own subchannels and calls only, and what it publishes is the parent's to pass on")
  func events() {
    let (a, b) = (Recorder(), Recorder())
    let channel = FakeChannel(Family(recorders: ["a": a, "b": b]))
    channel.update([1, 2])
    let (first, second) = (channel.id(1), channel.id(2))
    channel.change(first, .ready)
    #expect(a.heard == ["\(first) connecting", "\(first) ready"])
    #expect(b.heard == ["\(second) connecting"])
    #expect(channel.pickPort() == 1)
    channel.change(second, .ready)
    #expect(channel.pickPort() == 2)
    let report = { CallReport(subchannel: $0, code: .ok, origin: .peer, duration: .zero) }
    channel.ended([report(first), report(first), report(second)])
    #expect(a.heard.last == "2 calls" && b.heard.last == "1 calls")
  }

  @Test("a child that is given up takes its subchannels and timers with it") func stopped() {
    let (a, b) = (Recorder(), Recorder())
    let channel = FakeChannel(Family(recorders: ["a": a, "b": b]))
    channel.update([1, 2])
    channel.run { $0.exitIdle(&$1) }
    #expect(channel.id(1) == -1 && channel.id(2) != -1)
    #expect(channel.timers.count == 1)
    channel.time = .seconds(5)
    #expect(!a.heard.contains("timer 7") && b.heard.contains("timer 7"))
  }

  @Test(
    "a child can't touch its sibling's subchannels, shut the channel down or have timers without bound; the log names it"
  )
  func mischief() {
    let (a, b) = (Recorder(), Recorder())
    let channel = FakeChannel(Family(recorders: ["a": a, "b": b]))
    channel.update([1, 2])
    let foreign = channel.id(2)
    a.mischief = { effects in
      effects.remove(foreign)
      effects.connect(4711)
      effects.publish(.shutdown, QueueingPicker())
      for token in 100..<2000 { effects.startTimer(token: token, after: .seconds(1)) }
    }
    channel.change(channel.id(1), .ready)
    #expect(channel.id(2) == foreign, "the sibling's lives on")
    #expect(channel.state == .transientFailure)
    #expect(channel.timers.count == 1001, "a thousand of its own, and the sibling's")
    #expect(channel.complaints.first == "a gives up the subchannel \(foreign), which is not its own")
    #expect(channel.complaints.dropFirst().first == "a connects the subchannel 4711, which is not its own")
    #expect(channel.complaints.last == "a wants more than 1000 timers")
  }

  @Test("attributes of the resolver's answer reach children") func attributes() {
    let (a, b) = (Recorder(), Recorder())
    let channel = FakeChannel(Family(recorders: ["a": a, "b": b]))
    channel.attributes.zone = "eu-1a"
    channel.update([1, 2])
    #expect(a.attributes.zone == "eu-1a" && b.attributes.zone == "eu-1a")
  }

  @Test("the old one serves until the new one is ready") func gracefulSwitch() {
    let (old, new) = (Recorder(), Recorder())
    let channel = FakeChannel(Switching([old, new]))
    channel.update([1])
    let first = channel.id(1)
    channel.change(first, .ready)
    channel.run { $0.exitIdle(&$1) }
    #expect(channel.subchannels.count == 2)
    #expect(channel.picker.pick(for: PickRequest(path: "/a/b", metadata: Metadata())).subchannel?.id == first)
    let second = channel.subchannels.keys.max()!
    channel.change(second, .ready)
    #expect(channel.picker.pick(for: PickRequest(path: "/a/b", metadata: Metadata())).subchannel?.id == second)
    #expect(Array(channel.subchannels.keys) == [second], "what the old one had is given up")
    #expect(channel.timers.count == 1)
  }

  @Test("or until it fails itself; and one that never came to serve is dropped for the one after it") func oldFails() {
    let (old, unused, new) = (Recorder(), Recorder(), Recorder())
    let channel = FakeChannel(Switching([old, unused, new]))
    channel.update([1])
    let first = channel.id(1)
    channel.change(first, .ready)
    channel.run { $0.exitIdle(&$1) }
    channel.run { $0.exitIdle(&$1) }
    #expect(channel.subchannels.count == 2, "the one in between has let go")
    channel.change(first, .transientFailure, error: StatusError(.unavailable, "lost"))
    #expect(Array(channel.subchannels.keys) == Array(new.made.keys))
    #expect(channel.state == .connecting, "the new one's state holds, though it has published nothing")
  }

  @Test("outlier detection wraps any policy, itself too: each has its own sweeps") func nested() throws {
    let inner = """
      {"outlier_detection": {"interval": "3s", "failurePercentageEjection": {"threshold": 50}, \
      "childPolicy": [{"round_robin": {}}]}}
      """
    let outer =
      "{\"interval\": \"5s\", \"failurePercentageEjection\": {\"threshold\": 50}, \"childPolicy\": [\(inner)]}"
    let channel = try FakeChannel("outlier_detection", configuration: JSONValue(parsing: outer))
    channel.update([1, 2, 3, 4, 5])
    channel.makeReady([1, 2, 3, 4, 5])
    #expect(Set(channel.timers.keys.map(\.path.count)) == [0, 1])
    channel.time = .seconds(12)
    #expect(channel.timers.count == 2, "both go on")
    #expect(channel.state == .ready)
  }

  @Test("a server whose name or cluster changes is another one; its weight may change") func serverKey() throws {
    let channel = try FakeChannel("round_robin")
    var endpoint = Endpoint(.tcp("10.0.0.1", 1))
    func update() { channel.run { _ = $0.update([endpoint], &$1) } }
    update()
    let first = channel.id(1)
    endpoint.attributes.weight = 5
    update()
    #expect(channel.id(1) == first)
    endpoint.attributes.cluster = "blue"
    update()
    let second = channel.id(1)
    #expect(second != first)
    endpoint.attributes.serverName = "blue.example"
    update()
    #expect(channel.id(1) != second)
  }
}
