public import VoleryTypes

/// A timer of a policy: its number, which is the policy's own, and which of the channel's policies that is. Children's timers
/// can't be taken for their parent's, nor for each other's, whatever their numbers are.
public struct PolicyTimer: Hashable, Sendable {
  /// As the policy has given it.
  public let token: Int
  /// From the channel's policy down to the one that wants the timer; empty for the channel's own policy.
  package var path: [ChildPolicy.ID] = []

  package init(token: Int) { self.token = token }
}

/// What a subchannel is to be like.
package struct SubchannelRequest {
  package let endpoint: Endpoint
  /// Of the policy that wants it (`LoadBalancingPolicy.usesHealthChecks`).
  package let usesHealthChecks: Bool
  /// What parents call the policies from below the channel's own down to that one; empty for the channel's own.
  package var owner: [String] = []
  /// Whether the resolver is asked again when its connection fails; not where a parent says so.
  package var asksResolver = true
}

/// What a policy wants done. The channel carries it out, in order, after the policy's function has returned.
public struct PolicyEffects {
  /// One thing that the channel has to do; the functions below say them.
  public enum Effect {
    /// Connect the subchannel with this id.
    case connect(Int)
    /// Give up the subchannel with this id.
    case remove(Int)
    /// The state that the application sees, and what calls use from now on.
    case publish(ConnectivityState, any Picker)
    /// Ask the resolver for a fresh answer.
    case resolveNow
    /// Tell the policy once the time has passed; a timer that runs under this token starts anew.
    case startTimer(PolicyTimer, after: Duration)
    /// Take a timer back.
    case cancelTimer(PolicyTimer)
    /// Outlier detection has begun to keep calls from a subchannel, or has ended that (nil); for observers.
    case tellEjection(Int, by: OutlierDetectionMethod?)
    /// Have a subchannel's server report its load by itself from now on.
    case watchLoad(LoadWatch)
    /// No more of that.
    case endLoadWatch(LoadWatch)
    /// Outlier detection has found a subchannel's server, and lets it go on; for observers.
    case tellSpared(Int, by: OutlierDetectionMethod, UnenforcedReason)
    /// `weighted_round_robin` sets its shares; for observers.
    case tellWeights([EndpointWeight])
    /// A child has done what can't be: a line for the log, which says whose fault it was.
    case complain(String)
  }

  /// What was said so far, in order.
  public private(set) var effects: [Effect] = []
  private var removed: Set<Int> = []
  /// What came with the resolver's last answer besides the endpoints (`Resolution.attributes`). A parent may give its children
  /// others.
  public var attributes: Attributes
  private let usesHealthChecks: Bool
  private let makeSubchannel: (SubchannelRequest) -> Subchannel

  /// What a policy's tests give it to write on; a channel makes its own.
  ///
  /// - Parameters:
  ///   - attributes: Of the resolver's answer; empty by default.
  ///   - makeSubchannel: Makes a subchannel for an endpoint.
  public init(attributes: Attributes = Attributes(), makeSubchannel: @escaping (Endpoint) -> Subchannel) {
    self.init(attributes: attributes, usesHealthChecks: true) { makeSubchannel($0.endpoint) }
  }

  /// - Parameter usesHealthChecks: Of the policy that is asked.
  package init(
    attributes: Attributes, usesHealthChecks: Bool, makeSubchannel: @escaping (SubchannelRequest) -> Subchannel
  ) {
    self.attributes = attributes
    self.usesHealthChecks = usesHealthChecks
    self.makeSubchannel = makeSubchannel
  }

  /// A new idle subchannel; its id is new in this process. Its connections use the credentials of the endpoint's `cluster`
  /// attribute, where the channel has some for it (`ChannelOptions.clusterCredentials`).
  public func subchannel(for endpoint: Endpoint) -> Subchannel {
    subchannel(for: SubchannelRequest(endpoint: endpoint, usesHealthChecks: usesHealthChecks))
  }

  /// One that a child has asked for.
  func subchannel(for request: SubchannelRequest) -> Subchannel { makeSubchannel(request) }

  /// Says what another `PolicyEffects` has said. `ChildPolicy` does this for a policy that has others below it.
  public mutating func append(_ effect: Effect) {
    if case .remove(let id) = effect { removed.insert(id) }
    effects.append(effect)
  }

  /// Whether the subchannel was given up here.
  func hasRemoved(_ id: Int) -> Bool { !removed.isEmpty && removed.contains(id) }

  /// Connects a subchannel that is idle; nothing happens to one that is connecting, ready or backing off (in backoff it is
  /// remembered, and the subchannel connects when the backoff has passed).
  public mutating func connect(_ id: Int) { effects.append(.connect(id)) }

  /// Gives a subchannel up: no new calls, those that run finish, then its connection is closed.
  public mutating func remove(_ id: Int) { append(.remove(id)) }

  /// What calls use from now on, and the channel's state as the application sees it.
  public mutating func publish(_ state: ConnectivityState, _ picker: any Picker) {
    effects.append(.publish(state, picker))
  }

  /// Asks the resolver for a fresh answer. After a lost connection or a failed attempt the channel does so by itself.
  public mutating func resolveNow() { effects.append(.resolveNow) }

  /// Calls `timerFired` with this token once the delay has passed. A timer with the same token starts anew; at most 1,000.
  public mutating func startTimer(token: Int, after delay: Duration) {
    effects.append(.startTimer(PolicyTimer(token: token), after: delay))
  }

  /// Takes the timer back; nothing happens where there is none with this token.
  public mutating func cancelTimer(token: Int) { effects.append(.cancelTimer(PolicyTimer(token: token))) }

  /// Has the server of a subchannel report its load by itself, at about this interval (gRFC A51, out-of-band reports): one stream
  /// on its connection for all who watch it, at the shortest of their intervals, made again when it ends. A server that has no
  /// such service (UNIMPLEMENTED) is not asked again on the same connection, and the log says so.
  ///
  /// - Parameters:
  ///   - id: One of the policy's own subchannels, or of a child's.
  ///   - interval: What the server is asked for; it may have a longer one of its own. At least 1 ms.
  ///   - heard: Gets each report, in the channel's domain; must not block.
  /// - Returns: What ends it, by `endLoadWatch`; it ends with the subchannel, too.
  @discardableResult
  public mutating func watchLoad(
    of id: Int, every interval: Duration, _ heard: @escaping @Sendable (LoadReport) -> Void
  ) -> LoadWatch {
    let watch = LoadWatch(subchannel: id, interval: interval, heard: heard)
    effects.append(.watchLoad(watch))
    return watch
  }

  /// Nothing more is heard by this watch.
  public mutating func endLoadWatch(_ watch: LoadWatch) { effects.append(.endLoadWatch(watch)) }
}
