import VoleryLoadBalancing
import VoleryTypes

/// `xds_cluster_manager_experimental` (gRFC A31): a child for each cluster of the routes; a call goes to that of its route. What
/// the clusters are comes with the resolver's answer. A cluster that no route names any more lives on for a while: calls that
/// have been given it may still be on their way.
struct ClusterManagerPolicy: ParentPolicy {
  static let name = "xds_cluster_manager_experimental"
  static let retention = Duration.seconds(20)

  private let context: PolicyContext
  var children = PolicyChildren<String>()
  /// Clusters that are to go, by the number of their timer.
  private var leaving: [Int: String] = [:]
  private var lastToken = 0

  init(context: PolicyContext) { self.context = context }

  mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    let clusters = effects.attributes.clusterSet?.clusters ?? [:]
    for name in Array(children.keys) where clusters[name] == nil && !leaving.values.contains(name) {
      lastToken += 1
      leaving[lastToken] = name
      effects.startTimer(token: lastToken, after: ClusterManagerPolicy.retention)
    }
    for (token, name) in leaving where clusters[name] != nil {
      leaving[token] = nil
      effects.cancelTimer(token: token)
    }
    for name in clusters.keys.sorted() {
      if children[name] == nil {
        children.add(SingleClusterPolicy(name, context: context), name: "the cluster \(name)", for: name, &effects)
      }
      children.with(name) { _ = $0.update([], &effects) }
    }
    publish(&effects)
    return !endpoints.isEmpty
  }

  mutating func timerFired(_ token: Int, _ effects: inout PolicyEffects) {
    guard let name = leaving.removeValue(forKey: token) else { return }
    children.remove(name, &effects)
    publish(&effects)
  }

  mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
    effects.publish(.transientFailure, FailingPicker(error: error))
  }

  mutating func heard(_ effects: inout PolicyEffects) {
    if !children.takeNews().isEmpty { publish(&effects) }
  }

  private mutating func publish(_ effects: inout PolicyEffects) {
    _ = children.takeNews()
    var pickers: [String: any Picker] = [:]
    var states: Set<ConnectivityState> = []
    let gone = Set(leaving.values)
    for name in children.keys {
      guard let child = children[name] else { continue }
      pickers[name] = child.picker
      if !gone.contains(name) { states.insert(child.state) }
    }
    let order: [ConnectivityState] = [.ready, .connecting, .idle]
    effects.publish(order.first(where: states.contains) ?? .transientFailure, ClusterPicker(pickers: pickers))
  }
}

/// Asks the picker of the call's cluster.
struct ClusterPicker: Picker {
  let pickers: [String: any Picker]

  func pick(for call: PickRequest) -> PickResult {
    guard let cluster = call.attributes.cluster else {
      return .fail(StatusError(.unavailable, "xds: no route has been chosen for the call"))
    }
    guard let picker = pickers[cluster] else {
      return .fail(StatusError(.unavailable, "xds: the cluster \"\(cluster)\" is not there any more"))
    }
    return picker.pick(for: call)
  }
}
