import Synchronization
import Volery

/// What pickers have heard.
final class Notes: Sendable {
  private struct State {
    var picks = 0
    var ends: [PickEnd] = []
    var requests: [PickRequest] = []
    var calledTwice = false
  }
  private let state = Mutex(State())

  var picks: Int { state.withLock { $0.picks } }
  var ends: [PickEnd] { state.withLock { $0.ends } }
  var requests: [PickRequest] { state.withLock { $0.requests } }
  var calledTwice: Bool { state.withLock { $0.calledTwice } }

  /// What a pick calls at its end.
  func picked(_ request: PickRequest) -> @Sendable (PickEnd) -> Void {
    state.withLock { state in
      state.picks += 1
      state.requests.append(request)
    }
    let isOver = OneTime()
    return { [self] end in
      state.withLock { state in
        if !isOver.first() { state.calledTwice = true }
        state.ends.append(end)
      }
    }
  }
}

/// Says whether it was asked before.
private final class OneTime: Sendable {
  private let used = Mutex(false)
  func first() -> Bool {
    used.withLock { used in
      defer { used = true }
      return !used
    }
  }
}

/// Wraps `round_robin`: each pick adds metadata and is noted to its end.
struct Noting: LoadBalancingPolicyFactory {
  let name = "noting"
  let notes: Notes
  var metadata: Metadata = [:]

  func makePolicy(configuration: JSONValue, context: PolicyContext) throws -> any LoadBalancingPolicy {
    let list = try JSONValue(parsing: "[{\"round_robin\": {}}]")
    let child = try context.registry.makeChild(list, of: name, context: context)
    return NotingPolicy(child: ChildPolicy(child, name: "round_robin"), factory: self)
  }
}

struct NotingPolicy: LoadBalancingPolicy {
  var child: ChildPolicy
  let factory: Noting

  mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    defer { publish(&effects) }
    return child.update(endpoints, &effects)
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
    guard child.takeNews() else { return }
    effects.publish(child.state, NotingPicker(inner: child.picker, notes: factory.notes, metadata: factory.metadata))
  }
}

struct NotingPicker: Picker {
  let inner: any Picker
  let notes: Notes
  let metadata: Metadata
  func pick(for call: PickRequest) -> PickResult {
    let result = inner.pick(for: call)
    guard let subchannel = result.subchannel else { return result }
    return .attempt(Pick(subchannel, metadata: metadata, ended: notes.picked(call)))
  }
}

/// Sends back what it got as `x-in`, with a load report.
struct Reporting: Service {
  static let call = Method<[UInt8], [UInt8]>(service: "test.Reporting", name: "Call", kind: .unary)
  static var report: LoadReport {
    var report = LoadReport()
    report.cpuUtilization = 0.5
    return report
  }

  var handlers: [MethodHandler] {
    [
      .unary(Reporting.call) { _, context in
        var trailing = Metadata()
        // A half of the processors.
        trailing[binary: "endpoint-load-metrics-bin"] = [9, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f]
        context.trailingMetadata = trailing
        return Array((context.metadata.values("x-in").joined(separator: ",")).utf8)
      }
    ]
  }
}

/// A value that two threads look at.
final class LockedBox<Value: Sendable>: Sendable {
  private let value: Mutex<Value>
  init(_ value: Value) { self.value = Mutex(value) }
  func get() -> Value { value.withLock { $0 } }
  func set(_ new: Value) { value.withLock { $0 = new } }
}

/// A server of `RawEcho` and `Reporting`, and channels with the policy of `Noting`.
enum NotingStage {
  static let limit = CallOptions(timeout: .seconds(20))

  static func start(_ way: Way = .tcp) throws -> (Server, SocketAddress) {
    let server = Server(services: [RawEcho(), Reporting()])
    return (server, try server.start(listeningOn: way.listenAddress())[0])
  }

  static func options(_ policy: Noting) -> ChannelOptions {
    var options = ChannelOptions()
    options.loadBalancingPolicies.register(policy)
    options.loadBalancingPolicy = policy.name
    return options
  }

  static func channel(to address: SocketAddress, _ policy: Noting) throws -> Channel {
    try Channel(address.target, options: options(policy))
  }
}
