import VoleryTypes

/// What a configuration says of a child: a list as a service config's `loadBalancingConfig`, which is known to be right.
struct ChildConfiguration: Hashable {
  private let choices: JSONValue?
  private let owner: String

  /// - Throws: `PolicyConfigurationError`, as `LoadBalancingRegistry.makeChild` does.
  init(_ choices: JSONValue?, of owner: String, context: PolicyContext) throws {
    self.choices = choices
    self.owner = owner
    _ = try context.registry.makeChild(choices, of: owner, context: context)
  }

  /// A new policy. One whose factory has changed its mind fails the calls, and says so.
  func makePolicy(_ context: PolicyContext) -> any LoadBalancingPolicy {
    do {
      return try context.registry.makeChild(choices, of: owner, context: context)
    } catch {
      return UnmakablePolicy(error: StatusError(.unavailable, "a policy can't be made: \(error)"))
    }
  }
}

/// A child whose configuration may change while its parent lives on: a policy that can takes it over in place
/// (`LoadBalancingPolicy.adopt`), for another one there is a graceful switch. The parent gives the new one with `adopt`, and then
/// the list.
struct ReconfigurablePolicy: LoadBalancingPolicy {
  private var configuration: ChildConfiguration
  private let context: PolicyContext
  private var children: GracefulSwitch<ChildPolicy>?
  /// Takes over with the next list.
  private var fresh: (any LoadBalancingPolicy)?

  init(_ configuration: ChildConfiguration, context: PolicyContext) {
    self.configuration = configuration
    self.context = context
  }

  var observesCalls: Bool { children?.observesCalls ?? false }

  mutating func adopt(_ other: any LoadBalancingPolicy) -> Bool {
    guard let other = other as? ReconfigurablePolicy else { return false }
    guard other.configuration != configuration else { return true }
    configuration = other.configuration
    let new = configuration.makePolicy(context)
    var isAdopted = false
    children?.forEach { isAdopted = $0.adopt(new) }
    fresh = isAdopted ? nil : new
    return true
  }

  mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    if children == nil {
      children = GracefulSwitch(ChildPolicy(fresh.take() ?? configuration.makePolicy(context), name: "its policy"))
    } else if let fresh = fresh.take() {
      children?.change(to: fresh, name: "its policy", &effects)
    }
    return ask(&effects) { $0.update(endpoints, &$1) } ?? false
  }

  @discardableResult
  private mutating func ask<Result>(
    _ effects: inout PolicyEffects, _ body: (inout GracefulSwitch<ChildPolicy>, inout PolicyEffects) -> Result
  ) -> Result? {
    guard children != nil else { return nil }
    defer { children!.passOn(&effects) }
    return body(&children!, &effects)
  }

  mutating func subchannelChanged(
    _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
  ) {
    ask(&effects) { _ = $0.subchannelChanged(id, to: state, error: error, &$1) }
  }

  mutating func subchannelsChanged(_ changes: [SubchannelChange], _ effects: inout PolicyEffects) {
    ask(&effects) { _ = $0.subchannelsChanged(changes, &$1) }
  }

  mutating func childTimerFired(_ timer: PolicyTimer, _ effects: inout PolicyEffects) {
    ask(&effects) { _ = $0.timerFired(timer, &$1) }
  }

  mutating func callsEnded(_ calls: [CallReport], _ effects: inout PolicyEffects) {
    ask(&effects) { $0.callsEnded(calls, &$1) }
  }

  mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
    ask(&effects) { $0.resolverFailed(error, &$1) }
  }

  mutating func exitIdle(_ effects: inout PolicyEffects) { ask(&effects) { $0.exitIdle(&$1) } }
}

/// Fails every call.
private struct UnmakablePolicy: LoadBalancingPolicy {
  let error: StatusError

  mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    effects.publish(.transientFailure, FailingPicker(error: error))
    return true
  }
  mutating func subchannelChanged(
    _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
  ) {}
  mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {}
}
