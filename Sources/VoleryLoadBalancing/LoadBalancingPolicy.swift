public import VoleryTypes

/// Spreads a channel's calls over its endpoints: owns which subchannels there are and which of them want a connection,
/// and publishes pickers.
///
/// A policy of your own: a struct or class that conforms to this, and a `LoadBalancingPolicyFactory` for it in the
/// channel's `LoadBalancingRegistry`. It decides and never acts: each function gets `effects`, on which it says what the
/// channel has to do.
///
/// The rules:
/// - All functions are called one at a time by the channel, so a policy needs no lock and is not Sendable. None may block.
/// - It must publish before its first `update` ends, and again whenever the answer to "which subchannels are ready"
///   changes. Until then calls wait.
/// - A subchannel starts idle and connects only when told (`effects.connect`). After a lost connection it is idle again,
///   after a failed attempt it is in transientFailure until its backoff has passed, and then idle: say connect again.
///   The channel asks the resolver again by itself in both cases.
/// - The channel reports a subchannel as ready when it has a connection, and its server wants calls (gRFC A17; see
///   `usesHealthChecks`). One that is reported as failing because of its health needs no `connect`: it has its connection, and
///   is ready again when the server says so.
/// - `update` gets the whole list each time the resolver speaks, mostly without a change. Publishing a new picker is cheap, but
///   wakes the calls that wait, and a picker that starts anew somewhere in its ring disturbs the shares: don't publish what is
///   already so.
/// - A subchannel that should serve until another one is ready (make before break) is not removed before that.
/// - A policy that misbehaves (an unknown id, no picker, a picker that names what it has given up) costs its own channel's calls
///   their answer, nothing else, and the next policy that a service config names makes them work again.
/// - It may have 20,000 subchannels, and it and each of its children 1,000 timers; what is above that is passed over, with a line
///   in the log.
///
/// The smallest one, which uses whatever was ready last:
///
///     struct Newest: LoadBalancingPolicy {
///       private var subchannels: [Endpoint: Subchannel] = [:]
///       private var used: Int?
///
///       mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
///         for (endpoint, subchannel) in subchannels where !endpoints.contains(endpoint) {
///           effects.remove(subchannel.id)
///           subchannels[endpoint] = nil
///           if used == subchannel.id { used = nil }
///         }
///         for endpoint in endpoints where subchannels[endpoint] == nil {
///           subchannels[endpoint] = effects.subchannel(for: endpoint)
///           effects.connect(subchannels[endpoint]!.id)
///         }
///         if used == nil { effects.publish(.connecting, QueueingPicker()) }
///         return !endpoints.isEmpty
///       }
///
///       mutating func subchannelChanged(
///         _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
///       ) {
///         guard let subchannel = subchannels.values.first(where: { $0.id == id }) else { return }
///         switch state {
///         case .ready:
///           used = id
///           effects.publish(.ready, SinglePicker(subchannel: subchannel))
///         case .idle: effects.connect(id)
///         case .connecting, .transientFailure, .shutdown: break
///         }
///         guard state != .ready, used == nil || used == id else { return }
///         used = nil
///         if let error {
///           effects.publish(.transientFailure, FailingPicker(error: error))
///         } else {
///           effects.publish(.connecting, QueueingPicker())
///         }
///       }
///
///       mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
///         effects.publish(.transientFailure, FailingPicker(error: error))
///       }
///     }
///
/// Examples/ZonePolicy is a whole one. A policy that has others below it keeps each as a `ChildPolicy`.
public protocol LoadBalancingPolicy {
  /// The resolver's whole answer. Subchannels of endpoints that are still there should be kept: their connections live on.
  /// Returns false when it can't be used (no endpoint), so that the resolver tries again.
  mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool

  /// The configuration has changed: `fresh` is a policy that the factory has made of the new one, and that nobody has asked
  /// anything. A policy that can live on with that configuration takes it over and returns true; its list follows at once. False,
  /// the default, leaves it as it is: the fresh one is to take its place.
  mutating func adopt(_ fresh: any LoadBalancingPolicy) -> Bool

  /// A subchannel changed its state. `error` tells, for transientFailure, what each address said.
  mutating func subchannelChanged(
    _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects)

  /// Several subchannels have changed, in this order; one may be there twice. By default they are told one by one. For a policy that
  /// looks at all of its subchannels to publish, and for one with children (`ChildPolicy.subchannelsChanged`): once for all of them
  /// is enough. A policy with thousands of subchannels hears of what has come together within some milliseconds.
  mutating func subchannelsChanged(_ changes: [SubchannelChange], _ effects: inout PolicyEffects)

  /// The resolver failed and nothing was ever resolved: publish a failure.
  mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects)

  /// A call came (or the application asked) while the policy had published idle.
  mutating func exitIdle(_ effects: inout PolicyEffects)

  /// A timer that the policy asked for has fired.
  mutating func timerFired(_ token: Int, _ effects: inout PolicyEffects)

  /// A timer that a child of this policy asked for has fired: a policy with children passes it on
  /// (`ChildPolicy.timerFired`). Others need not care.
  mutating func childTimerFired(_ timer: PolicyTimer, _ effects: inout PolicyEffects)

  /// A call that this policy picked has ended: its status and how long it took. Called for many calls at once, in the
  /// channel's domain, only when `observesCalls` is true.
  mutating func callsEnded(_ calls: [CallReport], _ effects: inout PolicyEffects)

  /// Whether `callsEnded` is wanted; false by default, because it costs each call a little.
  var observesCalls: Bool { get }

  /// Whether the channel reports a subchannel as failing while its server says that it does not want calls (gRFC A17). True
  /// by default; false for policies that have one connection only. Asked of each policy for the subchannels that it makes
  /// itself: what a parent says holds for none of its children's.
  var usesHealthChecks: Bool { get }
}

extension LoadBalancingPolicy {
  /// False: a new configuration makes a new policy.
  public mutating func adopt(_ fresh: any LoadBalancingPolicy) -> Bool { false }
  /// Tells them one by one, but for those that the policy has given up meanwhile.
  public mutating func subchannelsChanged(_ changes: [SubchannelChange], _ effects: inout PolicyEffects) {
    for change in changes where !effects.hasRemoved(change.id) {
      subchannelChanged(change.id, to: change.state, error: change.error, &effects)
    }
  }
  /// Does nothing: for a policy that is never idle.
  public mutating func exitIdle(_ effects: inout PolicyEffects) {}
  /// Does nothing: for a policy without timers.
  public mutating func timerFired(_ token: Int, _ effects: inout PolicyEffects) {}
  /// Does nothing: for a policy without children.
  public mutating func childTimerFired(_ timer: PolicyTimer, _ effects: inout PolicyEffects) {}
  /// Does nothing.
  public mutating func callsEnded(_ calls: [CallReport], _ effects: inout PolicyEffects) {}
  /// False: `callsEnded` is not called.
  public var observesCalls: Bool { false }
  /// True.
  public var usesHealthChecks: Bool { true }
}

/// How a call on a subchannel ended.
public struct CallReport: Sendable {
  /// The id of the subchannel that the call was on.
  public let subchannel: Int
  /// How the call ended there.
  public let code: StatusCode
  /// Who has said so: `.peer` is the server; anything else, such as CANCELLED by the caller, says nothing of it.
  public let origin: StatusError.Origin
  /// From the pick to the end.
  public let duration: Duration

  /// A report that a policy's tests make up; those of calls come from the channel.
  public init(subchannel: Int, code: StatusCode, origin: StatusError.Origin, duration: Duration) {
    self.subchannel = subchannel
    self.code = code
    self.origin = origin
    self.duration = duration
  }
}
