import Volery

// Written from "A policy of your own" in Docs/Balancing.md.

/// All calls go to the server that has been ready for the longest time: to a leader, say, with others standing by.
struct LongestReady: LoadBalancingPolicy {
  private var subchannels: [Endpoint: Subchannel] = [:]
  private var ready: [Subchannel] = []
  private var failures: [Int: StatusError] = [:]

  mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    for (endpoint, subchannel) in subchannels where !endpoints.contains(endpoint) {
      effects.remove(subchannel.id)
      subchannels[endpoint] = nil
      ready.removeAll { $0.id == subchannel.id }
      failures[subchannel.id] = nil
    }
    for endpoint in endpoints where subchannels[endpoint] == nil {
      let subchannel = effects.subchannel(for: endpoint)
      subchannels[endpoint] = subchannel
      effects.connect(subchannel.id)
    }
    publish(&effects)
    return !endpoints.isEmpty
  }

  mutating func subchannelChanged(
    _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
  ) {
    guard let subchannel = subchannels.values.first(where: { $0.id == id }) else { return }
    ready.removeAll { $0.id == id }
    switch state {
    case .ready:
      ready.append(subchannel)
      failures[id] = nil
    case .idle: effects.connect(id)  // It never connects by itself, not even again.
    case .transientFailure: failures[id] = error ?? StatusError(.unavailable, "no connection")
    case .connecting, .shutdown: break
    }
    publish(&effects)
  }

  mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
    effects.publish(.transientFailure, FailingPicker(error: error))
  }

  private func publish(_ effects: inout PolicyEffects) {
    if let first = ready.first {
      effects.publish(.ready, SinglePicker(subchannel: first))
    } else if failures.count == subchannels.count {
      let error = failures.values.first ?? StatusError(.unavailable, "the name has no addresses")
      effects.publish(.transientFailure, FailingPicker(error: error))
    } else {
      effects.publish(.connecting, QueueingPicker())
    }
  }
}

struct LongestReadyFactory: LoadBalancingPolicyFactory {
  let name = "longest_ready"

  func makePolicy(configuration: JSONValue, context: PolicyContext) throws -> any LoadBalancingPolicy { LongestReady() }
}
