import Testing
import VoleryClient
import VoleryTypes

@Suite("What policies hear of servers' health (gRFC A17)") struct HealthGateTests {
  private func text(_ reports: [HealthGate.Report]) -> [String] { reports.map { "\($0.id) \($0.state)" } }

  /// Whether an advised subchannel is failing depends on the others.
  @Test("advice moves calls elsewhere, never to nowhere") func advice() {
    var gate = HealthGate(mode: .advice)
    #expect(text(gate.changed(1, to: .connecting, error: nil)) == ["1 connecting"])
    #expect(text(gate.changed(1, to: .ready, error: nil)) == ["1 ready"], "nobody has been asked yet")
    #expect(gate.heard(.notServing("it drains"), of: 1).isEmpty, "there is no other")
    let reports = gate.changed(2, to: .ready, error: nil)
    #expect(text(reports) == ["2 ready", "1 transientFailure"])
    #expect(reports.last?.error == StatusError(.unavailable, "it drains"))
    #expect(text(gate.heard(.notServing("it drains too"), of: 2)) == ["1 ready"], "both are used")
    #expect(text(gate.heard(.serving, of: 2)) == ["1 transientFailure"])
    #expect(text(gate.changed(2, to: .idle, error: nil)) == ["2 idle", "1 ready"])
    #expect(text(gate.changed(2, to: .ready, error: nil)) == ["2 ready", "1 transientFailure"])
    #expect(text(gate.removed(2)) == ["1 ready"])
  }

  @Test("what a server said is forgotten with its connection") func forgotten() {
    var gate = HealthGate(mode: .advice)
    _ = gate.changed(1, to: .ready, error: nil)
    _ = gate.changed(2, to: .ready, error: nil)
    #expect(text(gate.heard(.notServing("no"), of: 1)) == ["1 transientFailure"])
    #expect(text(gate.changed(1, to: .idle, error: nil)) == ["1 idle"])
    #expect(gate.heard(.notServing("late"), of: 1).isEmpty, "of a connection that is gone")
    #expect(text(gate.changed(1, to: .ready, error: nil)) == ["1 ready"])
  }

  @Test("where health is required, a server is ready only while it serves") func required() {
    var gate = HealthGate(mode: .required)
    #expect(text(gate.changed(1, to: .ready, error: nil)) == ["1 connecting"])
    #expect(text(gate.heard(.serving, of: 1)) == ["1 ready"])
    let reports = gate.heard(.notServing("unknown service"), of: 1)
    #expect(text(reports) == ["1 transientFailure"], "the only one, all the same")
    #expect(reports.last?.error == StatusError(.unavailable, "unknown service"))
    #expect(text(gate.heard(.unknown, of: 1)) == ["1 connecting"])
    let failure = StatusError(.unavailable, "refused")
    #expect(gate.changed(1, to: .transientFailure, error: failure).first?.error == failure)
  }

  @Test("a subchannel whose policy does not want to know is what it is, whatever is required") func exempt() {
    var gate = HealthGate(mode: .required)
    gate.exempt(1)
    #expect(text(gate.changed(1, to: .ready, error: nil)) == ["1 ready"])
    #expect(gate.heard(.notServing("no"), of: 1).isEmpty)
    #expect(text(gate.changed(2, to: .ready, error: nil)) == ["2 connecting"])
    #expect(gate.changed(to: .advice).map(\.id) == [2])
  }

  @Test("switched off, nothing that servers say counts; switched on again, it does") func modes() {
    var gate = HealthGate(mode: .off)
    #expect(text(gate.changed(1, to: .ready, error: nil)) == ["1 ready"])
    #expect(gate.heard(.notServing("no"), of: 1).isEmpty)
    #expect(text(gate.changed(to: .required)) == ["1 transientFailure"])
    #expect(text(gate.changed(to: .advice)) == ["1 ready"])
    #expect(gate.changed(to: .off).isEmpty)
  }

  @Test(
    "whatever happens in whatever order, a ready server is reported while there is one, and no state twice",
    arguments: [HealthGate.Mode.advice, .off], 1...5)
  func randomEvents(_ mode: HealthGate.Mode, _ seed: Int) {
    var state = UInt64(seed)
    func next(_ limit: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % limit
    }
    var gate = HealthGate(mode: mode)
    var own: [Int: ConnectivityState] = [:]
    var reported: [Int: ConnectivityState] = [:]
    for _ in 0..<3000 {
      let id = next(5)
      let reports: [HealthGate.Report]
      switch next(8) {
      case 0:
        own[id] = nil
        reported[id] = nil
        reports = gate.removed(id)
      case 1, 2, 3:
        own[id] = [.ready, .idle, .connecting, .transientFailure][next(4)]
        reports = gate.changed(id, to: own[id]!, error: nil)
      default: reports = gate.heard([.serving, .unknown, .notServing("no")][next(3)], of: id)
      }
      for report in reports {
        #expect(reported[report.id] != report.state)
        reported[report.id] = report.state
      }
      if own.values.contains(.ready) { #expect(reported.values.contains(.ready)) }
      if mode == .off { #expect(own.allSatisfy { reported[$0.key] ?? .idle == $0.value }) }
      for (id, state) in own where state != .ready { #expect(reported[id] ?? .idle == state) }
    }
  }
}
