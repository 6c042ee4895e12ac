/// What a caller may say about one call. The defaults are right for most calls.
public struct CallOptions: Sendable {
  /// Sent before the first message.
  public var metadata: Metadata
  /// When the call has to be over; `.none` by default. Where a server's handler makes a call, the handler's own deadline
  /// holds too unless `inheritsDeadline` is false: the earlier one wins.
  public var deadline: Deadline
  /// Time for the call from the moment it is made; the earlier of this and `deadline` wins.
  public var timeout: Duration?
  /// True: wait for a connection until the deadline instead of failing with UNAVAILABLE while the servers can't be
  /// reached (doc/wait-for-ready.md). Nil: as the service config says, else false.
  public var waitForReady: Bool?
  /// Whether a call made inside a server's handler ends when the handler's own call has to. True by default.
  public var inheritsDeadline: Bool
  /// The largest message that is accepted from the server, in bytes; nil: the channel's limit, 4 MiB by default.
  public var maxResponseMessageBytes: Int?
  /// The largest message that is sent, in bytes; nil: no limit but the protocol's 4 GiB.
  public var maxRequestMessageBytes: Int?
  /// How requests are compressed; nil: as the channel's options say, which is not at all by default. A server that can't
  /// read it fails the call with UNIMPLEMENTED.
  public var compression: Compression?
  /// Replaces the channel's `:authority` for this call (gRFC A81).
  public var authority: String?
  /// What metrics say of this call in the label `grpc.client.call.custom`, where they have it (gRFC A108): a few words of yours, the
  /// tenant's tier say, of which there are few. Nothing of it is sent. Nil: nothing.
  public var telemetryLabel: String?
  /// Says who makes this call, after what the channel's own credentials say.
  public var credentials: (any CallCredentials)?

  /// Options that say this and leave everything else as the channel and the service config have it; without arguments, all of
  /// it.
  ///
  /// - Parameters:
  ///   - metadata: Sent before the first message; empty by default. What can't travel fails the call with INTERNAL.
  ///   - deadline: When the call has to be over; never by default.
  ///   - timeout: Time for the call from the moment it is made; nil: as long as `deadline` allows.
  ///   - waitForReady: See `waitForReady`; nil: as the service config says, else false.
  public init(
    metadata: Metadata = Metadata(), deadline: Deadline = .none, timeout: Duration? = nil, waitForReady: Bool? = nil
  ) {
    self.metadata = metadata
    self.deadline = deadline
    self.timeout = timeout
    self.waitForReady = waitForReady
    self.inheritsDeadline = true
  }
}

extension CallOptions {
  /// These options, and where they say nothing, the defaults: metadata of both, the defaults' first; the earlier deadline.
  package func completed(by defaults: CallOptions) -> CallOptions {
    var options = self
    if !defaults.metadata.isEmpty {
      options.metadata = defaults.metadata
      options.metadata.append(contentsOf: metadata)
    }
    options.deadline = min(deadline, defaults.deadline)
    options.timeout = timeout ?? defaults.timeout
    options.waitForReady = waitForReady ?? defaults.waitForReady
    options.inheritsDeadline = inheritsDeadline && defaults.inheritsDeadline
    options.maxResponseMessageBytes = maxResponseMessageBytes ?? defaults.maxResponseMessageBytes
    options.maxRequestMessageBytes = maxRequestMessageBytes ?? defaults.maxRequestMessageBytes
    options.compression = compression ?? defaults.compression
    options.telemetryLabel = telemetryLabel ?? defaults.telemetryLabel
    options.authority = authority ?? defaults.authority
    options.credentials = credentials ?? defaults.credentials
    return options
  }
}
