public import Logging
import VoleryDNS
import VoleryFileResolver
import VoleryHTTP2Session
import VoleryHTTP2Transport
public import VoleryLoadBalancing
public import VoleryNameResolution
public import VoleryObservation
public import VoleryTypes

/// What a channel may be told. With none of it, `Channel("dns:///orders:50051")` does the right thing: every address a
/// connection, new servers within seconds, load shared evenly, slow and dead servers avoided.
///
/// More than 15 stored properties: one flat list is found by completion, and read from top to bottom.
public struct ChannelOptions: Sendable {
  /// The name resolvers by scheme; add your own.
  public var resolvers = ResolverRegistry.standard
  /// The load balancing policies by name; add your own.
  public var loadBalancingPolicies = LoadBalancingRegistry.builtIn
  /// The policy where no service config names one. `rr_least_request`.
  public var loadBalancingPolicy = LoadBalancingRegistry.defaultPolicyName
  /// Holds where the resolver gives no valid service config.
  public var serviceConfig = ServiceConfig()
  /// The largest message that is accepted from a server, in bytes. 4 MiB.
  public var maxResponseMessageBytes = 4 << 20
  /// The most metadata that is accepted from a server, in bytes: names, values and 32 for each field, with what HTTP/2 adds to
  /// a response (RFC 9113, 6.5.2; SETTINGS_MAX_HEADER_LIST_SIZE). Initial metadata or trailing metadata with more ends its call
  /// with RESOURCE_EXHAUSTED. 16 KiB; at most 16 MiB. A request with more than its server takes fails with RESOURCE_EXHAUSTED
  /// and is not sent.
  public var maxMetadataBytes = 16 << 10
  /// Bytes of messages that may wait on one connection: received, and taken by no reader yet. From half of it on the server is
  /// slowed down, by narrow windows of its streams, so that calls get on one after another, small ones as ever; above it the
  /// call that has most waiting ends with RESOURCE_EXHAUSTED, and new ones do. 64 MiB; at least 256 KiB.
  public var maxBufferedBytesPerConnection = 64 << 20
  /// Bytes of messages that may wait on all of the channel's connections together, received or queued to be sent. From half of
  /// it on servers that have sent more than 256 KiB of it are slowed down as above; above it new calls end with
  /// RESOURCE_EXHAUSTED, and so do calls that have most waiting where more comes. Nil, the default: a quarter of the memory
  /// that the process may have (the machine's, or its control group's limit), and at least 64 MiB. At least 1 MiB.
  public var maxBufferedBytes: Int?
  /// How requests are compressed where a call does not say otherwise. Identity, which is not at all: servers need not be
  /// able to read anything else. Compressed responses are always read.
  public var compression = Compression.identity
  /// Replaces the target's name as the `:authority` of calls.
  public var authority: String?
  /// The longest that one attempt to connect may take, from the socket to the server's SETTINGS; a channel's first
  /// attempts are given up sooner (1 s, then twice as long each time), so that a black hole does not hold up the start. 20 s.
  public var connectTimeout: Duration = .seconds(20)
  /// How long the waits between attempts to connect are.
  public var backoff = ConnectionBackoff()
  /// After a connection was lost while other servers take the calls, it is opened again within this time, at a random
  /// moment, so that a restarted server's clients do not come all at once. 1 second.
  public var reconnectSpread: Duration = .seconds(1)
  /// Where an endpoint has several addresses, each gets this head start before the next one is tried too (RFC 8305);
  /// 100 ms to 2 s. 250 ms.
  public var connectionAttemptDelay: Duration = .milliseconds(250)
  /// Connections to one server once all others run as many calls as it allows (MAX_CONCURRENT_STREAMS); 1 to 10. A
  /// service config's `maxConnectionsPerSubchannel` wins (gRFC A105). 4.
  public var maxConnectionsPerServer = 4
  /// A connection this old (±10 %, so that they don't all go at once) is replaced: a new one is made first, then the old one
  /// gets no more calls and is closed when those that it has have ended. For servers behind something that balances
  /// connections, and does not end them itself. Nil, the default: connections live as long as servers let them.
  public var maxConnectionAge: Duration?
  /// A channel without a call for this long closes its connections; the next call opens them again. 30 minutes.
  public var idleTimeout: Duration = .seconds(1800)
  /// After this long without a byte from a server that has calls, a ping asks whether it is still there, and the connection
  /// is closed when no answer comes (gRFC A8). At least 10 s, and servers cut off clients that ping more often than they
  /// allow (5 minutes as a rule); one that says so is asked half as often. Nil, the default: servers are asked when they
  /// are suspected, at most twice in 5 minutes: when a deadline passes, or calls wait 10 s, without a byte from them. One
  /// that does not answer within 1 s gets no more calls until it takes a new connection.
  public var keepaliveTime: Duration?
  /// Whether a connection without calls is asked too; servers allow that even less. False.
  public var keepaliveWithoutCalls = false
  /// How long the answer to that ping may take. 20 s.
  public var keepaliveTimeout: Duration = .seconds(20)
  /// The program's name for the servers' logs: comes first in the `user-agent`. Nil, the default: the library's name only.
  public var userAgent: String?
  /// Time between two look-ups of a `dns:` or `dns+srv:` name while nothing is lost, ±20 %. Nil, the default: as the
  /// registered resolver has it, which is 5 seconds; resolvers of your own hear of it too (`ResolverFactory.adopting`). While calls find no server ready, each address is tried again within
  /// this time too, however long its backoff has become.
  public var refreshInterval: Duration?
  /// Whether a service config is read of DNS TXT records (gRFC A2; `DNSResolverFactory.readsServiceConfig`). Nil, the
  /// default: as the registered resolvers have it, which is no.
  public var readsServiceConfigFromDNS: Bool?
  /// Whether servers that offer `grpc.health.v1` are asked of their health (gRFC A17), by one Watch on each connection. With
  /// a `healthCheckConfig` in the service config, a server gets calls only while it says that it serves that service.
  /// Without one, the server as a whole is asked once it has answered a call, and one that says NOT_SERVING gets no new calls while another one is
  /// there; servers without the health service are as good as any. `pick_first` never asks. True.
  public var checksHealth = true
  /// Whether a server that fails five calls in a row (UNAVAILABLE, or the server's own RESOURCE_EXHAUSTED, INTERNAL or UNKNOWN),
  /// or lets two deadlines in a row pass, is ejected: gets no more calls but a probe now and then, until it has answered one;
  /// never more than half of the servers. False for servers that say these codes of what the caller asked, not of themselves. It is
  /// nothing to do with the policy `outlier_detection`, which works either way. True.
  public var ejectsFailingServers = true
  /// Whether `rr_least_request` ejects a server that is slower than the others for the same methods: one at which so many unary
  /// calls are late (longer than nine of ten of their method, and three times longer than half of them) that it can't be chance,
  /// while the others' are not. One call a second probes it, and three in a row that are in time bring it back; never more
  /// than half of the servers. False for servers that differ by a multiple as a matter of course and are to be used to the full.
  /// True.
  public var ejectsSlowServers = true
  /// Hear what happens to the channel and its calls; at most 16. None.
  public var observers: [any Observer] = []
  /// How connections to endpoints of a cluster (`Attributes.cluster`) are protected; those of other clusters, and of none, have
  /// the channel's credentials. Without call credentials, which are the channel's. None.
  public var clusterCredentials: [String: ChannelCredentials] = [:]
  /// Where the channel says what happens to it; swift-log's by default, with the label `volery.channel`. No secret, no
  /// metadata value and no message is written to it. Its level is set with
  /// `import Logging`: `options.logger.logLevel = .debug`.
  public var logger = Logger(label: "volery.channel")
  /// Around every call of the channel, the first one outermost; at most 64 with those of a client. None.
  public var interceptors: [any ClientInterceptor] = []
  /// Around every attempt of a call, the first one outermost, once its server is known. None.
  public var attemptInterceptors: [any ClientInterceptor] = []
  /// Of each connection, for tests of what happens near the end of the ids.
  package var firstStreamID: Int32 = 1
  /// Of the channel's credentials.
  var callCredentials: [any CallCredentials] = []

  /// The defaults, which are right for most channels.
  public init() {}

  var stagger: Duration { min(max(connectionAttemptDelay, .milliseconds(100)), .seconds(2)) }

  /// How the channel's connections behave, for the transport.
  var connection: ClientConnectionOptions {
    var connection = ClientConnectionOptions()
    connection.http2.firstStreamID = firstStreamID
    connection.buffers = BufferLimits(connectionLimit: maxBufferedBytesPerConnection, sharedLimit: maxBufferedBytes)
    connection.maxMetadataBytes = maxMetadataBytes
    connection.keepaliveTime = keepaliveTime
    connection.keepaliveTimeout = keepaliveTimeout
    connection.keepaliveWithoutCalls = keepaliveWithoutCalls
    if let userAgent { connection.userAgent = "\(userAgent) \(connection.userAgent)" }
    return connection
  }
}

extension ResolverRegistry {
  /// `dns:` (which a target without a scheme means), `dns+srv:`, `file:`, `ipv4:`, `ipv6:`, `unix:`, `unix-abstract:`,
  /// `static:` and `in-process:`.
  public static let standard = ResolverRegistry(
    ResolverRegistry.fixed + [DNSResolverFactory(), DNSServiceResolverFactory(), FileResolverFactory()])
}
