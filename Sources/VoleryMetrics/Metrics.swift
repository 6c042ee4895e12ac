// Every metric. Docs/Metrics.md has the same table; a test compares them.
extension MetricDescription {
  private static let ofTarget = ["grpc.target"]
  private static let ofMethod = ["grpc.method"]
  private static let ofClientCall = ["grpc.method", "grpc.target"]
  private static let ofClientOutcome = ["grpc.method", "grpc.target", "grpc.status"]
  private static let ofServerOutcome = ["grpc.method", "grpc.status"]
  private static let ofEndpoint = ["grpc.target", "volery.endpoint"]
  private static let ofOpenTelemetry = ["rpc.system.name", "rpc.method", "rpc.response.status_code", "error.type"]
  private static let places: [OptionalLabel] = [.locality, .backendService]
  private static let ofAttempt: [OptionalLabel] = [.custom] + places

  /// Every metric that `MetricsObserver` may make, whichever options are set.
  public static let all: [MetricDescription] = [
    clientAttemptStarted, clientAttemptDuration, clientAttemptSent, clientAttemptReceived, clientCallDuration,
    serverCallStarted, serverCallDuration, serverCallSent, serverCallReceived,
    clientCallRetries, clientCallTransparentRetries, clientCallHedges, clientCallRetryDelay,
    subchannelDisconnections, subchannelAttemptsSucceeded, subchannelAttemptsFailed, subchannelOpenConnections,
    outlierEjections, outliersSpared, wrrFallbacks, wrrNotYetUsable, wrrStale, wrrWeights,
    xdsConnected, xdsServerFailures, xdsValidUpdates, xdsInvalidUpdates, xdsResources,
    rpcClientCallDuration, rpcServerCallDuration,
    endpointPicks, endpointOutstanding, channelEndpoints, channelSubchannels, subchannelsEjected, ejections,
    resolverAnswers, resolverFailures, resolverLastAnswer, queueTime, retryBudget, connectionsDrained,
    serverOpenConnections, serverConnections, serverRefusedConnections, serverDrains, serverDraining,
  ]

  // MARK: gRFC A66

  static let clientAttemptStarted = MetricDescription(
    .counter, "grpc.client.attempt.started", "{attempt}", ofClientCall, optional: [.custom],
    "Attempts started, also those that run.")
  static let clientAttemptDuration = MetricDescription(
    .histogram, "grpc.client.attempt.duration", "s", ofClientOutcome, optional: ofAttempt,
    bounds: HistogramBounds.latency,
    "From an attempt's beginning to its end.")
  static let clientAttemptSent = MetricDescription(
    .histogram, "grpc.client.attempt.sent_total_compressed_message_size", "By", ofClientOutcome, optional: ofAttempt,
    bounds: HistogramBounds.size, "Bytes of an attempt's requests, as they travel.")
  static let clientAttemptReceived = MetricDescription(
    .histogram, "grpc.client.attempt.rcvd_total_compressed_message_size", "By", ofClientOutcome, optional: ofAttempt,
    bounds: HistogramBounds.size, "Bytes of an attempt's responses, as they travel.")
  static let clientCallDuration = MetricDescription(
    .histogram, "grpc.client.call.duration", "s", ofClientOutcome, optional: [.custom], bounds: HistogramBounds.latency,
    "From a call's beginning to the caller's answer, over all attempts.")
  static let serverCallStarted = MetricDescription(
    .counter, "grpc.server.call.started", "{call}", ofMethod, "Calls that came, also those that run.")
  static let serverCallDuration = MetricDescription(
    .histogram, "grpc.server.call.duration", "s", ofServerOutcome, bounds: HistogramBounds.latency,
    "From the headers' arrival to the end of the answer.")
  static let serverCallSent = MetricDescription(
    .histogram, "grpc.server.call.sent_total_compressed_message_size", "By", ofServerOutcome,
    bounds: HistogramBounds.size, "Bytes of a call's responses, as they travel.")
  static let serverCallReceived = MetricDescription(
    .histogram, "grpc.server.call.rcvd_total_compressed_message_size", "By", ofServerOutcome,
    bounds: HistogramBounds.size, "Bytes of a call's requests, as they travel.")

  // MARK: gRFC A96

  static let clientCallRetries = MetricDescription(
    .histogram, "grpc.client.call.retries", "{retry}", ofClientCall, optional: [.custom],
    bounds: HistogramBounds.retries,
    "Retries of a call that had any.")
  static let clientCallTransparentRetries = MetricDescription(
    .histogram, "grpc.client.call.transparent_retries", "{transparent_retry}", ofClientCall, optional: [.custom],
    bounds: HistogramBounds.transparentRetries, "Transparent retries of a call that had any.")
  static let clientCallHedges = MetricDescription(
    .histogram, "grpc.client.call.hedges", "{hedge}", ofClientCall, optional: [.custom],
    bounds: HistogramBounds.retries,
    "Hedges of a call that had any.")
  static let clientCallRetryDelay = MetricDescription(
    .histogram, "grpc.client.call.retry_delay", "s", ofClientCall, optional: [.custom], bounds: HistogramBounds.latency,
    "How long a call with several attempts had none under way.")

  // MARK: gRFC A94, A91

  static let subchannelDisconnections = MetricDescription(
    .counter, "grpc.subchannel.disconnections", "{disconnection}", ofTarget, optional: places + [.disconnectError],
    "Connections that have ended.")
  static let subchannelAttemptsSucceeded = MetricDescription(
    .counter, "grpc.subchannel.connection_attempts_succeeded", "{attempt}", ofTarget, optional: places,
    "Connections made.")
  static let subchannelAttemptsFailed = MetricDescription(
    .counter, "grpc.subchannel.connection_attempts_failed", "{attempt}", ofTarget, optional: places,
    "Connections that could not be made.")
  static let subchannelOpenConnections = MetricDescription(
    .upDownCounter, "grpc.subchannel.open_connections", "{connection}", ofTarget, optional: places + [.securityLevel],
    "Connections that are open.")
  static let outlierEjections = MetricDescription(
    .counter, "grpc.lb.outlier_detection.ejections_enforced", "{ejection}",
    ["grpc.target", "grpc.lb.outlier_detection.detection_method"], optional: [.backendService],
    "Servers that outlier_detection has ejected.")
  static let outliersSpared = MetricDescription(
    .counter, "grpc.lb.outlier_detection.ejections_unenforced", "{ejection}",
    [
      "grpc.target", "grpc.lb.outlier_detection.detection_method", "grpc.lb.outlier_detection.unenforced_reason",
    ], optional: [.backendService],
    "Servers that outlier_detection has found and lets go on, once an interval: as many are ejected as may be, or chance let it go."
  )

  // MARK: gRFC A78

  static let wrrFallbacks = MetricDescription(
    .counter, "grpc.lb.wrr.rr_fallback", "{update}", ofTarget, optional: places,
    "How often weighted_round_robin has set equal shares: fewer than two servers had reports that count.")
  static let wrrNotYetUsable = MetricDescription(
    .counter, "grpc.lb.wrr.endpoint_weight_not_yet_usable", "{endpoint}", ofTarget, optional: places,
    "Servers whose reports did not count yet when weighted_round_robin set the shares.")
  static let wrrStale = MetricDescription(
    .counter, "grpc.lb.wrr.endpoint_weight_stale", "{endpoint}", ofTarget, optional: places,
    "Servers whose last report was too old when weighted_round_robin set the shares.")
  static let wrrWeights = MetricDescription(
    .histogram, "grpc.lb.wrr.endpoint_weights", "{weight}", ofTarget, optional: places,
    bounds: HistogramBounds.weights,
    "The weight of each server whenever weighted_round_robin sets the shares; 0 where its reports don't count.")
  static let xdsConnected = MetricDescription(
    .gauge, "grpc.xds_client.connected", "{bool}", ["grpc.target", "grpc.xds.server"],
    "1 while there is a stream to the control plane that works, else 0.")
  static let xdsServerFailures = MetricDescription(
    .counter, "grpc.xds_client.server_failure", "{failure}", ["grpc.target", "grpc.xds.server"],
    "How often a control plane could not be reached, or has ended a stream without a word, after it had worked.")
  static let xdsValidUpdates = MetricDescription(
    .counter, "grpc.xds_client.resource_updates_valid", "{resource}",
    ["grpc.target", "grpc.xds.server", "grpc.xds.resource_type"],
    "Resources that came and made sense, also those that were as before.")
  static let xdsInvalidUpdates = MetricDescription(
    .counter, "grpc.xds_client.resource_updates_invalid", "{resource}",
    ["grpc.target", "grpc.xds.server", "grpc.xds.resource_type"],
    "Resources that came and made no sense.")
  static let xdsResources = MetricDescription(
    .gauge, "grpc.xds_client.resources", "{resource}",
    ["grpc.target", "grpc.xds.authority", "grpc.xds.cache_state", "grpc.xds.resource_type"],
    "Resources that the target's channels want, by what is known of them.")

  // MARK: OpenTelemetry

  static let rpcClientCallDuration = MetricDescription(
    .histogram, "rpc.client.call.duration", "s", ofOpenTelemetry + ["server.address", "server.port"],
    bounds: HistogramBounds.openTelemetryLatency, "From a call's beginning to the caller's answer.")
  static let rpcServerCallDuration = MetricDescription(
    .histogram, "rpc.server.call.duration", "s", ofOpenTelemetry, bounds: HistogramBounds.openTelemetryLatency,
    "From the headers' arrival to the end of the answer.")

  // MARK: Volery's own: who gets which call

  static let endpointPicks = MetricDescription(
    .counter, "volery.channel.picks", "{attempt}", ofEndpoint, "Attempts that were sent to a server.")
  static let endpointOutstanding = MetricDescription(
    .upDownCounter, "volery.channel.outstanding", "{attempt}", ofEndpoint, "Attempts that a server has not ended yet.")
  static let channelEndpoints = MetricDescription(
    .upDownCounter, "volery.channel.endpoints", "{endpoint}", ofTarget, "Endpoints in the resolver's last answer.")
  static let channelSubchannels = MetricDescription(
    .upDownCounter, "volery.channel.subchannels", "{subchannel}", ["grpc.target", "volery.state"],
    "Subchannels by state: READY ones get calls.")
  static let subchannelsEjected = MetricDescription(
    .upDownCounter, "volery.channel.subchannels_ejected", "{subchannel}", ["grpc.target", "volery.reason"],
    "Subchannels that get no calls although they are connected: failures, outlier.")
  static let ejections = MetricDescription(
    .counter, "volery.channel.ejections", "{subchannel}", ofTarget,
    "How often a server was ejected because its calls failed in a row, or were not answered.")
  static let resolverAnswers = MetricDescription(
    .counter, "volery.resolver.answers", "{answer}", ofTarget, "Answers of the resolver.")
  static let resolverFailures = MetricDescription(
    .counter, "volery.resolver.failures", "{failure}", ofTarget, "Answers that failed, or can't be used.")
  static let resolverLastAnswer = MetricDescription(
    .gauge, "volery.resolver.last_answer", "s", ofTarget,
    "When the resolver has answered last, in seconds since 1970; the answer's age is now less that.")
  static let queueTime = MetricDescription(
    .histogram, "volery.client.attempt.queue_time", "s", ofClientCall, optional: [.custom],
    bounds: HistogramBounds.latency,
    "How long attempts waited for a server that had to: for the name, or for a connection.")
  static let retryBudget = MetricDescription(
    .gauge, "volery.channel.retry_budget", "{retry}", ofTarget,
    "Retries that may be made at once, as it was after the last call that failed or was retried.")
  static let connectionsDrained = MetricDescription(
    .counter, "volery.channel.connections_drained", "{connection}", ["grpc.target", "volery.reason"],
    "Connections that took no more calls while those under way went on: goodbye, renewal, silence, unwanted.")

  // MARK: Volery's own: servers

  static let serverOpenConnections = MetricDescription(
    .upDownCounter, "volery.server.open_connections", "{connection}", [], "Connections that are open.")
  static let serverConnections = MetricDescription(
    .counter, "volery.server.connections", "{connection}", [], "Connections that came to their first call.")
  static let serverRefusedConnections = MetricDescription(
    .counter, "volery.server.connections_refused", "{connection}", [],
    "Connections that did not: too many, a failed handshake, not HTTP/2.")
  static let serverDrains = MetricDescription(
    .counter, "volery.server.drains", "{drain}", [], "How often servers began to stop.")
  static let serverDraining = MetricDescription(
    .upDownCounter, "volery.server.draining", "{server}", [], "Servers that are about to stop.")
}
