public import VoleryTypes

/// A channel, as its observers see it.
public final class ObservedChannel: Sendable {
  /// Unlike that of any other channel of this process.
  public let id: Int
  /// The canonical target, `dns:///orders:50051`.
  public let target: String
  /// The `:authority` of its calls, where they have none of their own.
  public let authority: String
  private let readRetryBudget: @Sendable () -> RetryBudget

  /// What is left for retries, now.
  public var retryBudget: RetryBudget { readRetryBudget() }

  package init(
    target: String, authority: String, retryBudget: @escaping @Sendable () -> RetryBudget = { RetryBudget() }
  ) {
    id = ObservedID.next()
    self.target = target
    self.authority = authority
    readRetryBudget = retryBudget
  }
}

/// What a channel has left for retries.
public struct RetryBudget: Hashable, Sendable {
  /// Retries that may be made at once, of all calls together: calls and time earn them. At most 50.
  public let retries: Double
  /// The tokens of the service config's `retryThrottling` (gRFC A6); nil without it. Below half of its `maxTokens` there are no
  /// retries.
  public let tokens: Double?

  package init(retries: Double = 0, tokens: Double? = nil) {
    self.retries = retries
    self.tokens = tokens
  }
}

/// What happens to a channel beside its calls. Channels, subchannels, connections and servers have numbers of one row: in this process
/// no two of them have the same, whatever kind they are of.
public enum ChannelEvent: Sendable {
  /// The channel is made: the first that is heard of it.
  case created
  /// What the application sees of its connectivity is another state now.
  case stateChanged(ConnectivityState)
  /// The channel takes no more calls; its connections may still finish theirs, and tell of it.
  case closed

  /// The resolver has answered, the same as before or not.
  case resolved(endpoints: [Endpoint])
  /// The resolver has failed, or what it said can't be used; what it said before holds.
  case resolutionFailed(StatusError)

  /// A policy has made a subchannel for this endpoint.
  case subchannelCreated(id: Int, Endpoint)
  /// A subchannel is in another state.
  ///
  /// - Parameter error: Of TRANSIENT_FAILURE.
  case subchannelChanged(id: Int, ConnectivityState, error: StatusError?)
  /// Its server has failed calls in a row, or not answered several, or is slower than the others, and gets no more for a while but
  /// probes (`ChannelOptions.ejectsFailingServers`, `ejectsSlowServers`). A new connection is without that: `.subchannelChanged` with READY.
  case subchannelEjected(id: Int)
  /// It has answered a probe, or several in time.
  case subchannelReadmitted(id: Int)
  /// `outlier_detection` keeps calls from it (gRFC A50).
  case outlierEjected(id: Int, OutlierDetectionMethod)
  /// That is over.
  case outlierReadmitted(id: Int)
  /// `outlier_detection` has found it, and lets it have calls: as many are ejected as may be, or chance has let it go (gRFC A91). At
  /// each of its intervals, as long as it is so.
  case outlierSpared(id: Int, OutlierDetectionMethod, UnenforcedReason)
  /// `weighted_round_robin` sets its shares, by what its ready servers report (gRFC A58): with each change of these, and at each
  /// `weightUpdatePeriod`. With fewer than two that are usable, reports don't count.
  case weightsUpdated([EndpointWeight])
  /// A policy has given it up; its connection may still finish its calls.
  case subchannelRemoved(id: Int)

  /// An attempt to connect begins.
  case connecting(ObservedConnection)
  /// It has failed, so long after it began; the text says why, and may hold what the peer has said.
  case connectFailed(ObservedConnection, error: String, after: Duration)
  /// Given up: another address was faster, or nobody wants the connection any more.
  case connectAbandoned(ObservedConnection)
  /// The connection can take calls, with TLS after its handshake, so long after the attempt began.
  case connected(ObservedConnection, peer: Peer, after: Duration)
  /// It takes no more calls; those that run may finish.
  case disconnecting(ObservedConnection, ConnectionLoss, reason: String)
  /// Of one that was connected: the last that is heard of it.
  case disconnected(ObservedConnection, ConnectionLoss, reason: String, streams: Int, after: Duration)
}

/// How a connection came to its end.
public enum ConnectionLoss: Hashable, Sendable {
  /// The server has said goodbye (GOAWAY).
  case goodbye
  /// It was replaced for its age, or because its stream ids are used up.
  case renewal
  /// The server does not answer.
  case silence
  /// The channel does not want it any more.
  case unwanted
  /// It was lost: reset, timed out, broken off.
  case lost
}

/// A connection of a channel, or the attempt to make one.
public struct ObservedConnection: Hashable, Sendable {
  /// Unlike that of any other connection of this process, from 1.
  public let id: Int
  /// The number of the subchannel that it belongs to.
  public let subchannel: Int
  /// Where it goes, or should have gone.
  public let address: SocketAddress

  package init(id: Int, subchannel: Int, address: SocketAddress) {
    self.id = id
    self.subchannel = subchannel
    self.address = address
  }
}
