public import VoleryTypes

/// The children of a policy that has several, each under a key of the parent's choice: a priority, a cluster, a locality. Tells
/// each child what concerns it, and the parent which child that was.
public struct PolicyChildren<Key: Hashable> {
  private var children: [Key: ChildPolicy] = [:]
  /// Whose the subchannels are that something was heard of; some may be gone.
  private var owners: [Int: Key] = [:]

  /// No children.
  public init() {}

  /// True when there is no child.
  public var isEmpty: Bool { children.isEmpty }
  /// How many children there are.
  public var count: Int { children.count }
  /// In no order.
  public var keys: Dictionary<Key, ChildPolicy>.Keys { children.keys }

  /// The child under the key, to look at; nil where there is none.
  public subscript(key: Key) -> ChildPolicy? { children[key] }

  /// Whether any child wants to hear of ended calls.
  public var observesCalls: Bool { children.values.contains(where: \.observesCalls) }

  /// A new child under the key; one that was there is stopped.
  public mutating func add(
    _ policy: any LoadBalancingPolicy, name: String, for key: Key, _ effects: inout PolicyEffects
  ) {
    remove(key, &effects)
    children[key] = ChildPolicy(policy, name: name)
  }

  /// Stops the child: its subchannels and timers are given up.
  public mutating func remove(_ key: Key, _ effects: inout PolicyEffects) {
    children[key]?.stop(&effects)
    children[key] = nil
  }

  /// Stops every child.
  public mutating func removeAll(_ effects: inout PolicyEffects) {
    for key in Array(children.keys) { remove(key, &effects) }
  }

  /// Does something with a child; nil where there is none.
  @discardableResult
  public mutating func with<Result>(_ key: Key, _ body: (inout ChildPolicy) -> Result) -> Result? {
    guard children[key] != nil else { return nil }
    return body(&children[key]!)
  }

  // MARK: What happens

  /// The child that the subchannel is of.
  public mutating func subchannelChanged(
    _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
  ) -> Key? {
    guard let key = owner(of: id) else { return nil }
    children[key]?.subchannelChanged(id, to: state, error: error, &effects)
    return key
  }

  /// The child whose subchannel it is. Looks through all of them once.
  private mutating func owner(of id: Int) -> Key? {
    if let known = owners[id] {
      if children[known]?.subchannels[id] != nil { return known }
      owners[id] = nil
    }
    guard let key = children.first(where: { $0.value.subchannels[id] != nil })?.key else { return nil }
    if owners.count >= PolicyChildren.leastOwners,
      owners.count > 2 * children.values.reduce(0, { $0 + $1.subchannels.count })
    {
      owners = owners.filter { children[$0.value]?.subchannels[$0.key] != nil }
    }
    owners[id] = key
    return key
  }

  private static var leastOwners: Int { 64 }

  /// By the child that they are of, the children in the order of their first; those of no child are left out.
  private mutating func grouped<Event>(_ events: [Event], by id: (Event) -> Int) -> [(key: Key, events: [Event])] {
    var groups: [(key: Key, events: [Event])] = []
    var places: [Key: Int] = [:]
    for event in events {
      guard let key = owner(of: id(event)) else { continue }
      // Most that come together are of one child.
      let place = groups.last?.key == key ? groups.count - 1 : places[key]
      if let place {
        groups[place].events.append(event)
      } else {
        places[key] = groups.count
        groups.append((key, [event]))
      }
    }
    return groups
  }

  /// Each child gets its own. Returns whether there were any.
  @discardableResult
  public mutating func subchannelsChanged(_ changes: [SubchannelChange], _ effects: inout PolicyEffects) -> Bool {
    let groups = grouped(changes) { $0.id }
    for group in groups { children[group.key]?.subchannelsChanged(group.events, &effects) }
    return !groups.isEmpty
  }

  /// The child that the timer is of.
  public mutating func timerFired(_ timer: PolicyTimer, _ effects: inout PolicyEffects) -> Key? {
    guard let key = children.first(where: { $0.value.id == timer.path.first })?.key else { return nil }
    children[key]?.timerFired(timer, &effects)
    return key
  }

  /// Each child gets its own.
  public mutating func callsEnded(_ calls: [CallReport], _ effects: inout PolicyEffects) {
    guard observesCalls else { return }
    for group in grouped(calls, by: { $0.subchannel }) { children[group.key]?.callsEnded(group.events, &effects) }
  }

  /// Tells every child that a call has come while it was idle.
  public mutating func exitIdle(_ effects: inout PolicyEffects) {
    for key in Array(children.keys) { children[key]?.exitIdle(&effects) }
  }

  /// Tells every child that the resolver has failed and nothing was ever resolved.
  public mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
    for key in Array(children.keys) { children[key]?.resolverFailed(error, &effects) }
  }

  /// The keys of children that have published since this was last asked.
  public mutating func takeNews() -> Set<Key> {
    var news: Set<Key> = []
    for key in Array(children.keys) where children[key]!.takeNews() { news.insert(key) }
    return news
  }
}
