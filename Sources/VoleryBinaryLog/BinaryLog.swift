public import VoleryClient
public import VoleryServer
public import VoleryTypes

/// Writes calls into a file, event by event, as gRFC A16 has it: metadata, messages and outcomes, for finding out what was said.
///
///     let log = try BinaryLog("/var/log/orders.binlog", filter: .environment())
///     serverOptions.interceptors.insert(log, at: 0)      // outermost: what the wire has
///     channelOptions.interceptors.append(log)            // innermost, for the same reason
///
/// Off unless somebody asks for it: with an empty filter there is no file, and calls pass by. `volery-binlog FILE` prints one.
///
/// An interceptor, not an observer: observers never see a message's bytes, on which the privacy of metrics and traces rests, and
/// what retries and hedges have come to nothing with is not to be logged (A16), so that it has to stand around the call.
///
/// The file holds what calls carry, so that only its owner may read it. Values of `BinaryLogOptions.secretKeys` (`authorization` among
/// them) are left out; what call credentials add is not seen here at all; secrets in messages are to be kept out by the filter.
///
/// Calls never wait for the file: entries wait in a bounded queue for a thread that writes, and are dropped and counted where it does
/// not keep up.
public final class BinaryLog: ClientInterceptor, ServerInterceptor {
  private let filter: BinaryLogFilter
  private let options: BinaryLogOptions
  /// Nil where nothing is to be logged.
  private let writer: LogWriter?

  /// A log to this file, which is begun anew. One that is there is renamed, with `.1` behind its name.
  ///
  /// - Throws: FAILED_PRECONDITION where the file can't be made.
  public init(
    _ path: String, filter: BinaryLogFilter, options: BinaryLogOptions = BinaryLogOptions()
  ) throws(StatusError) {
    self.filter = filter
    self.options = options
    writer = filter.isEmpty ? nil : try LogWriter(path, options)
  }

  /// What has become of the entries so far.
  public var counts: BinaryLogCounts { writer?.counts ?? BinaryLogCounts() }

  /// Waits until what was logged before is in the file: before the program ends.
  public func flush() async { await writer?.flush() }

  private func log(_ side: LogGrpcLogEntry.Logger, _ method: MethodDescriptor) -> CallLog? {
    guard let writer, let rule = filter.rule(for: method) else { return nil }
    return CallLog(
      side, rule, options, writer,
      waitsForResponses: side == .client && (method.kind == .serverStreaming || method.kind == .bidirectional))
  }

  // MARK: Server

  /// Whether the filter has this method.
  public func isFor(_ method: MethodDescriptor) -> Bool { writer != nil && filter.rule(for: method) != nil }

  /// What the interceptor does with a call; the server calls it.
  public func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws {
    guard let log = log(.server, call.method) else { return try await next() }
    let timeout = call.deadline.isSet ? call.deadline.timeRemaining : nil
    log.clientHeader(
      call.metadata, call.method, authority: call.context.authority, timeout: timeout, peer: call.peer)
    call.onRequest { message in log.request(try message.bytes()) }
    call.onRequestsEnd { log.halfClose() }
    let context = call.context
    call.onResponse { message in
      log.serverHeader(context.initialMetadata)
      log.response(try message.bytes())
    }
    do {
      try await next()
      end(log, call, nil)
    } catch {
      end(log, call, error)
      throw error
    }
  }

  private func end(_ log: CallLog, _ call: ServerInvocation, _ error: (any Error)?) {
    let status = call.status(for: error)
    if call.context.isCancelled, status.code == .cancelled { return log.cancel() }
    let initial = call.context.initialMetadata
    if !initial.isEmpty { log.serverHeader(initial) }
    var trailing = call.context.trailingMetadata
    if let error = error as? StatusError, error.origin == .local { trailing.append(contentsOf: error.metadata) }
    log.trailer(status, trailing)
  }

  // MARK: Client

  /// What the interceptor does with a call; the channel calls it.
  public func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws {
    guard let log = log(.client, call.method) else { return try await next() }
    let timeout = call.deadline.isSet ? call.deadline.timeRemaining : nil
    log.clientHeader(call.metadata, call.method, authority: call.authority, timeout: timeout)
    call.onRequest { message in log.request(try message.bytes()) }
    call.onRequestsEnd { log.halfClose() }
    call.onResponse { message in
      log.serverHeader(call.initialMetadata, peer: call.peer)
      log.response(try message.bytes())
    }
    call.onResponsesEnd { log.responsesEnded() }
    do {
      try await next()
      log.serverHeader(call.initialMetadata, peer: call.peer)
      log.trailer(.ok, call.trailingMetadata)
    } catch {
      let failure = error as? StatusError ?? StatusError(.unknown, "")
      if failure.origin != .peer, failure.code == .cancelled {
        log.cancel()
      } else {
        if !call.initialMetadata.isEmpty { log.serverHeader(call.initialMetadata, peer: call.peer) }
        log.trailer(failure.status, failure.metadata, peer: call.peer)
      }
      throw error
    }
  }
}
