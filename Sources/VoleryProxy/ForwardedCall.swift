import VoleryClient
import VoleryTransport
import VoleryTypes

/// One call on its way through the proxy: the client's stream on one side, the request that a channel has taken on the other.
/// Bytes go from one to the other as they come; credit for them goes back only when the other side's connection has taken them,
/// so that what a call holds here is bounded by its two windows. Everything on one loop.
final class ForwardedCall {  // Isolation: loop
  let timeout: Duration?
  let deadline: Deadline
  /// Nil when the client's side is over.
  @exclusivity(unchecked) private var stream: (any ServerStream)?
  @exclusivity(unchecked) private var request: ForwardedRequest?
  @exclusivity(unchecked) private var timer: (any TransportTimer)?
  /// Of the client's bytes, those that it has no credit back for.
  @exclusivity(unchecked) private var requestOwed = 0
  /// Of the server's.
  @exclusivity(unchecked) private var responseOwed = 0
  @exclusivity(unchecked) private var log: CallLog?

  /// Nil unless the call is to be logged.
  struct CallLog {
    let log: ProxyAccessLog
    var entry: ProxyAccessLog.Entry
  }

  init(timeout: Duration?, deadline: Deadline, stream: any ServerStream, log: CallLog?) {
    self.timeout = timeout
    self.deadline = deadline
    self.stream = stream
    self.log = log
  }

  func start(_ request: ForwardedRequest) {
    self.request = request
    if let timeout, let loop = stream?.transportLoop {
      timer = loop.scheduleTimer(after: timeout) { [weak self] in self?.deadlinePassed() }
    }
    request.start()
  }

  private func deadlinePassed() {
    noteServer()
    request.take()?.deadlinePassed()
    let status = Status(code: .deadlineExceeded, message: "the call's deadline passed at the proxy")
    end(status) { $0.finishNow(status) }
  }

  /// The client's side, once.
  private func end(_ status: @autoclosure () -> Status, _ body: (any ServerStream) -> Void) {
    timer.take()?.cancel()
    guard let stream = stream.take() else { return }
    body(stream)
    if let log = log.take() { log.log.write(log.entry, status()) }
  }

  /// While the request knows it.
  private func noteServer() {
    if log != nil, let peer = request?.peer { log?.entry.server = peer }
  }
}

extension ForwardedCall: ServerStreamHandler {
  var hasOneRequest: Bool { false }

  func messageReceived(_ message: [UInt8], isCompressed: Bool) {
    preconditionFailure("a call is forwarded on connections that pass bytes")
  }

  func bytesReceived(_ bytes: UnsafeRawBufferPointer) {
    requestOwed += bytes.count
    if log != nil { log?.entry.requestBytes += bytes.count }
    request?.send(Array(bytes))
  }

  func halfClosed() { request?.halfClose() }

  /// The client has taken of the response.
  func writable() {
    guard let stream else { return }
    let queued = stream.queuedByteCount
    let taken = responseOwed - queued
    if taken > 0 {
      responseOwed = queued
      request?.consume(taken)
    }
    if queued > 0 { stream.tellWhenWritable() }
  }

  func resetByClient(_ code: UInt32) {
    noteServer()
    request.take()?.cancel(resetCode: code)
  }

  func closed(_ error: StatusError?) {
    noteServer()
    request.take()?.cancel(resetCode: ForwardedCall.cancelCode)
    end(error?.status ?? Status(code: .cancelled)) { _ in }
  }

  /// What a client is told of a failure on the proxy's other side. What really was, with names and addresses, is for the access
  /// log and the channel's own.
  private static func text(of code: StatusCode) -> String {
    switch code {
    case .unavailable: "the proxy: no server could take the call, or the one that had it was lost"
    case .deadlineExceeded: "the call's deadline passed at the proxy"
    case .resourceExhausted: "the proxy: a limit was reached"
    case .internal: "the proxy: the server's answer broke off, or was none of gRPC's"
    default: "the proxy: the call has failed on its way"
    }
  }

  /// CANCEL (RFC 9113, 7): the client is gone without a word.
  private static let cancelCode: UInt32 = 8
}

extension ForwardedCall: ForwardedResponseHandler {
  func requestTaken() {
    guard let request else { return }
    let queued = request.queuedByteCount
    let taken = requestOwed - queued
    guard taken > 0 else { return }
    requestOwed = queued
    stream?.consume(taken)
  }

  func initialMetadataReceived(_ metadata: Metadata, messageEncoding: String?) {
    noteServer()
    stream?.sendInitialMetadata(metadata, messageEncoding: messageEncoding)
  }

  func responseReceived(_ bytes: UnsafeRawBufferPointer) {
    guard let stream else { return }
    responseOwed += bytes.count
    if log != nil { log?.entry.responseBytes += bytes.count }
    stream.send(MessageFrame(Array(bytes)))
    stream.tellWhenWritable()
  }

  func ended(_ outcome: StreamOutcome) {
    if log != nil, let peer = outcome.peer { log?.entry.server = peer }
    request = nil
    end(outcome.status) { stream in
      if let code = outcome.resetCode {
        stream.reset(code)
      } else if outcome.isServersOwn {
        stream.finish(outcome.status, trailingMetadata: outcome.trailingMetadata)
      } else {
        stream.finish(
          Status(code: outcome.code, message: ForwardedCall.text(of: outcome.code)), trailingMetadata: Metadata())
      }
    }
  }
}
