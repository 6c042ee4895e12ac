public import VoleryTypes

/// A policy that has a connection to every endpoint and lets a picker spread the calls over those that are ready:
/// `rr_least_request`, `round_robin`, `least_request` and `random` differ in their picker only.
public struct SpreadingPolicy: LoadBalancingPolicy {
  private var set: EndpointSet
  /// The subchannels of the picker that was published last and what they weigh there; nil while calls wait or fail.
  private var ring: Ring?
  /// Who is in a picker.
  private struct Ring {
    let ids: [Int]
    /// Nil: all are alike.
    let weights: [UInt16]?

    /// Whether it is the same but for the order, which may be another one in each answer of a resolver.
    func isSame(as other: Ring) -> Bool {
      guard ids.count == other.ids.count, (weights == nil) == (other.weights == nil) else { return false }
      return ids == other.ids && weights == other.weights || byID == other.byID
    }

    private var byID: [Int: UInt16] {
      Dictionary(ids.enumerated().map { ($1, weights?[$0] ?? 1) }) { $1 }
    }
  }

  private let makePicker: ([Subchannel], UInt64) -> any Picker
  private let makeWeightedPicker: ((WeightedSubchannels, UInt64) -> any Picker)?
  private let context: PolicyContext
  private let detector: SlownessDetector?

  /// - Parameters:
  ///   - findsSlow: Whether servers that are slower than the others are ejected.
  ///   - makeWeightedPicker: For servers of different weights; nil: weights don't count.
  ///   - makePicker: Gets the ready subchannels, never none, and a random seed.
  package init(
    context: PolicyContext, findsSlow: Bool = false,
    makeWeightedPicker: ((WeightedSubchannels, UInt64) -> any Picker)? = nil,
    makePicker: @escaping ([Subchannel], UInt64) -> any Picker
  ) {
    self.makeWeightedPicker = makeWeightedPicker
    self.context = context
    detector = findsSlow ? SlownessDetector() : nil
    set = EndpointSet(detector: detector)
    self.makePicker = makePicker
  }

  /// Connects to every endpoint, and lets those go that are not in the list any more. Returns false for an empty list.
  public mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    set.update(endpoints, &effects)
    publish(&effects)
    return !endpoints.isEmpty
  }

  /// Publishes a new picker where the set of ready subchannels has changed.
  public mutating func subchannelChanged(
    _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
  ) {
    subchannelsChanged([SubchannelChange(id, to: state, error: error)], &effects)
  }

  /// The same for several: one new picker at most.
  public mutating func subchannelsChanged(_ changes: [SubchannelChange], _ effects: inout PolicyEffects) {
    if set.changed(changes, &effects) || ring == nil { publish(&effects) }
  }

  /// Fails calls with the resolver's error.
  public mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
    ring = nil
    set.forgetTold()
    effects.publish(.transientFailure, FailingPicker(error: error))
  }

  private mutating func publish(_ effects: inout PolicyEffects) {
    let summary = set.summary
    guard case .ready(let subchannels) = summary else {
      ring = nil
      return set.publishNone(summary, &effects)
    }
    set.forgetTold()
    // A new picker starts somewhere else: without a change the old one goes on where it is, or shares would drift at
    // every look-up that finds nothing new.
    let weighted = makeWeightedPicker == nil ? nil : set.weighted(subchannels)
    let new = Ring(ids: subchannels.map { $0.id }, weights: weighted?.weights)
    guard ring.map({ !$0.isSame(as: new) }) ?? true else { return }
    ring = new
    detector?.use(subchannels)
    if let weighted, let makeWeightedPicker {
      effects.publish(.ready, makeWeightedPicker(weighted, context.random()))
    } else {
      effects.publish(.ready, makePicker(subchannels, context.random()))
    }
  }
}
