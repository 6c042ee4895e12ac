public import VoleryTypes

/// What a `StatusPage` knows of its channels and servers at one moment. A value; of text, names and addresses only, which may have
/// been chosen by others: nothing of a call's metadata or messages.
public struct StatusSnapshot: Hashable, Sendable {
  /// Those that are not closed, in the order in which they were made.
  public internal(set) var channels: [ChannelStatus] = []
  /// Those that have not stopped, in the order in which they began to listen.
  public internal(set) var servers: [ServerStatus] = []
  /// How far back "recent" goes.
  public internal(set) var window = RecentCounts.window
  /// Since the page was made.
  public internal(set) var age = Duration.zero
  /// Channels and servers beyond `StatusOptions`' limits, of which nothing is shown.
  public internal(set) var leftOut = 0

  init() {}
}

/// Calls of a channel, a server or a method.
public struct CallTotals: Hashable, Sendable {
  /// All that have begun.
  public internal(set) var started = 0
  /// Of these, those that have ended with another status than OK.
  public internal(set) var failed = 0
  /// Those that run.
  public internal(set) var open = 0
  /// Those that have begun within the window.
  public internal(set) var recent = 0

  init() {}
}

/// A channel at one moment.
public struct ChannelStatus: Hashable, Sendable {
  /// Unlike that of any other channel of this process.
  public internal(set) var id: Int
  /// The canonical target.
  public internal(set) var target: String
  /// The `:authority` of its calls.
  public internal(set) var authority: String
  /// What the application sees of its connectivity.
  public internal(set) var state = ConnectivityState.idle
  /// Its calls.
  public internal(set) var calls = CallTotals()
  /// Attempts beyond the first of their calls: retries and hedges.
  public internal(set) var retries = 0
  /// What its resolver has said.
  public internal(set) var resolver = ResolverStatus()
  /// Whom it calls, in the order of their addresses; those that are gone for as long as they had calls within the window.
  public internal(set) var endpoints: [EndpointStatus] = []
  /// How long its calls took.
  public internal(set) var latency = LatencyStatus()
}

/// What a channel's resolver has said.
public struct ResolverStatus: Hashable, Sendable {
  /// How often it has answered.
  public internal(set) var answers = 0
  /// How often it has failed, or what it said could not be used.
  public internal(set) var failures = 0
  /// Since its last answer; nil before the first one.
  public internal(set) var age: Duration?
  /// The endpoints in its last answer.
  public internal(set) var endpointCount = 0
  /// The first of them.
  public internal(set) var endpoints: [String] = []
  /// Why it has failed since its last answer; nil: it has not.
  public internal(set) var error: String?

  init() {}
}

/// One of a channel's servers.
public struct EndpointStatus: Hashable, Sendable {
  /// Why a server gets no calls although it is connected.
  public enum Ejection: String, Hashable, Sendable {
    /// Calls have failed there in a row, or were not answered.
    case failures
    /// `outlier_detection` has found it out.
    case outlier
  }

  /// Its first address; `others` for all beyond `StatusOptions.maxEndpoints`.
  public internal(set) var address: String
  /// Nil: the channel has no subchannel to it any more.
  public internal(set) var state: ConnectivityState?
  /// Nil as a rule.
  public internal(set) var ejection: Ejection?
  /// Attempts of calls that were sent there.
  public internal(set) var calls = CallTotals()
  /// Its share of the attempts within the window, 0 to 1.
  public internal(set) var share = 0.0
  /// Why the last connection could not be made; nil while there is one.
  public internal(set) var error: String?
}

/// How long calls took that have ended within the window.
public struct LatencyStatus: Hashable, Sendable {
  /// The upper bounds of the classes in milliseconds.
  public var bounds: [Double] { LatencyHistogram.bounds }
  /// Calls by class, one class more than bounds.
  public internal(set) var counts: [Int]

  init(counts: [Int] = Array(repeating: 0, count: LatencyHistogram.bounds.count + 1)) { self.counts = counts }

  /// The duration in milliseconds within which this part of the calls has ended, as far as the classes tell: even within each.
  /// Nil without calls; the last bound for what is above it.
  public func percentile(_ part: Double) -> Double? {
    let total = counts.reduce(0, +)
    guard total > 0 else { return nil }
    let wanted = part * Double(total)
    var before = 0.0
    for (index, bound) in bounds.enumerated() {
      let count = Double(counts[index])
      if count > 0, before + count >= wanted {
        let lower = index == 0 ? 0 : bounds[index - 1]
        return lower + (bound - lower) * max(0, wanted - before) / count
      }
      before += count
    }
    return bounds.last
  }
}

/// A server at one moment.
public struct ServerStatus: Hashable, Sendable {
  /// Unlike that of any other server of this process.
  public internal(set) var id: Int
  /// Where it listens.
  public internal(set) var addresses: [String]
  /// It is about to stop.
  public internal(set) var isDraining = false
  /// Connections that are open.
  public internal(set) var connections = 0
  /// Connections that did not come to a call.
  public internal(set) var refused = 0
  /// Its calls.
  public internal(set) var calls = CallTotals()
  /// The same by method, in the order of their names; `other` for those that it has not, and beyond `StatusOptions.maxMethods`.
  public internal(set) var methods: [MethodStatus] = []
  /// How long its calls took.
  public internal(set) var latency = LatencyStatus()
}

/// One of a server's methods.
public struct MethodStatus: Hashable, Sendable {
  /// `package.Service/Method`, or `other`.
  public internal(set) var name: String
  /// Its calls.
  public internal(set) var calls = CallTotals()
}
