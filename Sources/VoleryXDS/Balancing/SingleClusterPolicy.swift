import VoleryLoadBalancing
import VoleryTypes

/// One cluster of the routes: gives the policies below it (`ClusterTree`) what the control plane has told last. They live on as
/// that changes, and so do the connections of endpoints that stay.
struct SingleClusterPolicy: ParentPolicy {
  private let name: String
  private let context: PolicyContext
  var children = PolicyChildren<Int>()
  private var cluster: XDSConfiguration.Cluster?
  private var names: [String: PriorityNames] = [:]
  private var configuration: JSONValue?
  /// Calls fail with it, whatever is below.
  private var failure: StatusError?

  init(_ name: String, context: PolicyContext) {
    self.name = name
    self.context = context
  }

  mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    guard let cluster = effects.attributes.clusterSet?.clusters[name] else { return false }
    guard cluster != self.cluster else { return failure == nil }
    self.cluster = cluster
    let tree = ClusterTree(cluster.parts, names: &names)
    failure = cluster.failure
    if cluster.parts.isEmpty {
      children.removeAll(&effects)
      configuration = nil
    } else {
      give(tree, &effects)
    }
    if failure == nil, tree.isEmpty {
      failure = StatusError(.unavailable, "xds: the cluster \(XDSResourceError.quote(name)) has no endpoints")
    }
    publish(&effects)
    return failure == nil
  }

  private mutating func give(_ tree: ClusterTree, _ effects: inout PolicyEffects) {
    if tree.configuration != configuration {
      do {
        let fresh = try context.registry.makeChild(
          .array([.object(["priority_experimental": tree.configuration])]), of: name, context: context)
        if children.with(0, { $0.adopt(fresh) }) != true {
          children.add(fresh, name: "its priorities", for: 0, &effects)
        }
        configuration = tree.configuration
      } catch {
        failure = StatusError(.unavailable, "xds: the cluster \(XDSResourceError.quote(name)): \(error)")
        return
      }
    }
    children.with(0) { _ = $0.update(tree.endpoints, &effects) }
  }

  mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
    effects.publish(.transientFailure, FailingPicker(error: error))
  }

  mutating func heard(_ effects: inout PolicyEffects) { if !children.takeNews().isEmpty { publish(&effects) } }

  private mutating func publish(_ effects: inout PolicyEffects) {
    _ = children.takeNews()
    if let failure {
      effects.publish(.transientFailure, FailingPicker(error: failure))
    } else if let child = children[0] {
      effects.publish(child.state, child.picker)
    }
  }
}
