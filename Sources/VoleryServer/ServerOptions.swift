public import Logging
package import VoleryEventLoops
import VoleryHTTP2Transport
public import VoleryObservation
public import VoleryTypes

/// What a server may be told. The defaults are right for most.
///
/// More than 15 stored properties: each is an option that a user finds by its name.
public struct ServerOptions: Sendable {
  /// The largest message that is accepted from a client, in bytes, also after inflating. 4 MiB.
  public var maxRequestMessageBytes = 4 << 20
  /// The most metadata that is accepted from a client, in bytes: names, values and 32 for each field, with what HTTP/2 adds
  /// to a request (RFC 9113, 6.5.2; SETTINGS_MAX_HEADER_LIST_SIZE). A call with more ends with RESOURCE_EXHAUSTED. 16 KiB; at
  /// most 16 MiB. What is sent is bounded by what the client takes.
  public var maxMetadataBytes = 16 << 10
  /// How responses are compressed for clients that can read it, where a handler does not say otherwise. Identity, which is
  /// not at all. Compressed requests are always read.
  public var compression = Compression.identity
  /// Calls that may run at once on one connection. 1000. A call whose client has gone counts as long as its handler runs:
  /// while such handlers fill the limit, new calls are refused with RESOURCE_EXHAUSTED.
  public var maxConcurrentStreams: UInt32 = 1000
  /// Calls that may run at once on the whole server; more are refused with RESOURCE_EXHAUSTED. A call counts until its
  /// handler has returned, and its response is sent or its client gone. No limit by default.
  public var maxConcurrentCalls = Int.max
  /// Bytes of messages that may wait on one connection: received, and taken by no handler yet. From half of it on the client is
  /// slowed down, by narrow windows of its streams, so that its calls get on one after another, small ones as ever; above it
  /// the call that has most waiting ends with RESOURCE_EXHAUSTED, and new ones are refused with it. Also, while more than half
  /// of it is queued that the client does not take, handlers of its complete requests don't begin. 64 MiB; at least 256 KiB.
  public var maxBufferedBytesPerConnection = 64 << 20
  /// Bytes of messages that may wait on all connections together, received or queued to be sent. From half of it on every
  /// client that has more than 256 KiB waiting is slowed down as above; above it new calls are refused with
  /// RESOURCE_EXHAUSTED, and so are calls that have most waiting where more comes. Nil, the default: a quarter of the memory
  /// that the process may have (the machine's, or its control group's limit), and at least 64 MiB. At least 1 MiB.
  public var maxBufferedBytes: Int?
  /// Streams of one connection that its client may reset, or make the server reset by breaking HTTP/2's rules, beyond what its
  /// calls that end well pay for: each pays for four, a tenth of this number comes back each second, and calls that ran to
  /// their deadline don't count. With more, the connection is ended with GOAWAY ENHANCE_YOUR_CALM. 1000.
  public var maxStreamResets = 1000
  /// Connections that may be open at once; more are closed at once. 10,000.
  public var maxConnections = 10_000
  /// TLS handshakes that may be in progress at once; connections that come beyond that are closed at once. 1000.
  public var maxConcurrentHandshakes = 1000
  /// A new connection has this long for the TLS handshake and the start of HTTP/2. 20 seconds.
  public var handshakeTimeout: Duration = .seconds(20)
  /// A connection this old is drained, ±10 %, so that clients which look for servers only when they lose one find new
  /// ones. 5 minutes; nil: never.
  public var maxConnectionAge: Duration? = .seconds(300)
  /// How long calls may go on after that; nil, the default: as long as they want.
  public var maxConnectionAgeGrace: Duration?
  /// A connection without a call for this long is drained; nil, the default: never.
  public var maxConnectionIdle: Duration?
  /// How long `run` waits for calls to end once it has to stop. 25 seconds, which fits into Kubernetes' 30.
  public var drainLimit: Duration = .seconds(25)
  /// `run` drains the server on SIGTERM and SIGINT. True. Where the program handles one of them itself when `run`
  /// begins, by a dispatch source (a ServiceGroup does), both hear of it, and `run` listens to no other signal; one that has a
  /// handler of another kind is left to it. False: `run` ends with its
  /// task's cancellation, `drain` or `shutDown`, and the signals do what they do without the server.
  public var handlesSignals = true
  /// Event loops that serve connections; nil: one for each processor that this process may
  /// use (by its container's limit on CPU and its affinity, too), shared with the process's channels.
  public var eventLoops: Int?
  /// A handler that keeps its event loop this long without suspending is named in the log, as a warning, at most once a
  /// minute each (Docs/BlockingHandlers.md). 500 milliseconds; nil: never.
  public var stallThreshold: Duration? = .milliseconds(500)
  /// With one, the status with which a handler ends its call brings a report of the load (gRFC A51, `endpoint-load-metrics-bin`, at most 4 KiB): what the
  /// recorder says, and what the call's handler has said over it (`ServerContext.loadReport`). Nil, the default: none does.
  public var loadRecorder: LoadRecorder?
  /// Answers methods that no service has: what a proxy needs. Nil, the default: UNIMPLEMENTED.
  public var fallback: (@Sendable (_ service: String, _ method: String) -> MethodHandler?)?
  /// The loops that serve connections, instead of `eventLoops`.
  package var loops: EventLoopGroup?
  /// Takes the calls of methods that no service has as streams of bytes, instead of `fallback`: a proxy's. None.
  package var forwarder: (any StreamForwarder)?
  /// Around every call that reaches the server, the first one outermost; at most 64. None.
  public var interceptors: [any ServerInterceptor] = []
  /// Hear what happens to the server and its calls; at most 16. None.
  public var observers: [any Observer] = []
  /// Where the server says what happens to it; swift-log's by default, with the label `volery.server`. No secret, no metadata
  /// value and no message is written to it. Its level is set with
  /// `import Logging`: `options.logger.logLevel = .debug`.
  public var logger = Logger(label: "volery.server")

  /// The defaults, which are right for most servers.
  public init() {}

  var connection: ServerConnectionOptions {
    var connection = ServerConnectionOptions()
    connection.maxConcurrentStreams = maxConcurrentStreams
    connection.maxMetadataBytes = maxMetadataBytes
    connection.buffers = BufferLimits(connectionLimit: maxBufferedBytesPerConnection, sharedLimit: maxBufferedBytes)
    connection.maxStreamResets = maxStreamResets
    connection.maxAge = maxConnectionAge
    connection.maxAgeGrace = maxConnectionAgeGrace
    connection.maxIdle = maxConnectionIdle
    connection.handshakeTimeout = handshakeTimeout
    return connection
  }
}
