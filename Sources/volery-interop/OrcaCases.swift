import Synchronization
import Volery

/// Load reports, with calls and by themselves (gRFC A51). As in gRPC's own programs, a policy of the client's hears them: it is
/// `test_backend_metrics_load_balancer` in service configs.
extension InteropCases {
  static let orcaCases: [InteropCase] = [
    InteropCase(name: "orca_per_rpc") { environment in
      let heard = HeardReports()
      let client = TestServiceClient(try environment.channel(hearing: heard))
      var report = TestOrcaReport(cpuUtilization: 0.8210, memoryUtilization: 0.5847)
      report.requestCost = ["cost": 3456.32]
      report.utilization = ["util": 0.30499]
      _ = try await client.unaryCall(SimpleRequest(orcaPerQueryReport: report), options: environment.options())
      // The policy hears of it when the call has ended.
      let last = try await heard.wait(\.ofCalls, for: .seconds(5), until: { _ in true })
      guard let last else { throw Unsupported(description: "the server has sent no report with the call") }
      try expect(last == LoadReport(report), "\(last) instead of \(LoadReport(report))")
    },
    InteropCase(name: "orca_oob") { environment in
      let heard = HeardReports()
      let client = TestServiceClient(try environment.channel(hearing: heard))
      var reports = [
        TestOrcaReport(cpuUtilization: 0.8210, memoryUtilization: 0.5847),
        TestOrcaReport(cpuUtilization: 0.29309, memoryUtilization: 0.2),
      ]
      reports[0].utilization = ["util": 0.30499]
      reports[1].utilization = ["util": 0.2039]
      let call = client.fullDuplexCall(options: environment.options(timeout: .seconds(50)))
      var responses = call.makeAsyncIterator()
      for report in reports {
        try await call.send(
          StreamingOutputCallRequest(responseParameters: [ResponseParameters(size: 1)], orcaOobReport: report))
        try expect(try await responses.next() != nil, "the stream has ended")
        let wanted = LoadReport(report)
        if try await heard.wait(\.byThemselves, for: .seconds(10), until: { $0 == wanted }) != nil { continue }
        guard let last = heard.last.byThemselves else {
          throw Unsupported(description: "the server sends no reports by themselves")
        }
        throw CaseFailure(description: "\(wanted) has not come within 10 s; last: \(last)")
      }
      call.finish()
      try expect(try await responses.next() == nil, "a response after the last request")
    },
  ]
}

extension CaseEnvironment {
  fileprivate func channel(hearing heard: HeardReports) throws -> Channel {
    try CaseEnvironment.makeChannel(flags) { options in
      options.loadBalancingPolicies.register(ReportHearingFactory(heard: heard))
      if options.serviceConfig.loadBalancing.isEmpty { options.loadBalancingPolicy = ReportHearingFactory.policyName }
    }
  }
}

extension LoadReport {
  /// As the tests' requests have it.
  init(_ report: TestOrcaReport) {
    self.init()
    cpuUtilization = report.cpuUtilization
    memoryUtilization = report.memoryUtilization
    requestCost = report.requestCost
    utilization = report.utilization
  }
}

/// What a policy has heard last.
final class HeardReports: Sendable {
  struct Reports: Sendable {
    var ofCalls: LoadReport?
    var byThemselves: LoadReport?
  }

  private let reports = Mutex(Reports())

  var last: Reports { reports.withLock { $0 } }

  func note(_ change: (inout Reports) -> Void) { reports.withLock { change(&$0) } }

  /// Nil: none has come in that time that will do.
  func wait(
    _ path: KeyPath<Reports, LoadReport?>, for limit: Duration, until isWanted: (LoadReport) -> Bool
  ) async throws -> LoadReport? {
    let end = ContinuousClock.now.advanced(by: limit)
    while true {
      if let report = last[keyPath: path], isWanted(report) { return report }
      if ContinuousClock.now > end { return nil }
      try await Task.sleep(for: .milliseconds(10))
    }
  }
}

/// Wraps `round_robin`, and hears what servers say of their load.
private struct ReportHearingFactory: LoadBalancingPolicyFactory {
  static let policyName = "test_backend_metrics_load_balancer"
  let name = ReportHearingFactory.policyName
  let heard: HeardReports

  func makePolicy(configuration: JSONValue, context: PolicyContext) throws -> any LoadBalancingPolicy {
    let list = try JSONValue(parsing: "[{\"round_robin\": {}}]")
    let child = try context.registry.makeChild(list, of: name, context: context)
    return ReportHearingPolicy(child: ChildPolicy(child, name: "round_robin"), heard: heard)
  }
}

private struct ReportHearingPolicy: LoadBalancingPolicy {
  var child: ChildPolicy
  let heard: HeardReports
  private var watched: Set<Int> = []

  init(child: ChildPolicy, heard: HeardReports) {
    self.child = child
    self.heard = heard
  }

  mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    let isUsable = child.update(endpoints, &effects)
    for id in child.subchannels.keys where watched.insert(id).inserted {
      effects.watchLoad(of: id, every: .seconds(1)) { [heard] report in heard.note { $0.byThemselves = report } }
    }
    publish(&effects)
    return isUsable
  }

  mutating func subchannelChanged(
    _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
  ) {
    child.subchannelChanged(id, to: state, error: error, &effects)
    publish(&effects)
  }

  mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
    child.resolverFailed(error, &effects)
    publish(&effects)
  }

  private mutating func publish(_ effects: inout PolicyEffects) {
    if child.takeNews() { effects.publish(child.state, ReportHearingPicker(inner: child.picker, heard: heard)) }
  }
}

private struct ReportHearingPicker: Picker {
  let inner: any Picker
  let heard: HeardReports

  func pick(for call: PickRequest) -> PickResult {
    let result = inner.pick(for: call)
    guard let subchannel = result.subchannel else { return result }
    return .attempt(
      Pick(subchannel) { [heard] end in
        if let report = end.loadReport { heard.note { $0.ofCalls = report } }
      })
  }
}
