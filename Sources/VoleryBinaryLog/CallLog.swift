import Synchronization
import VoleryTypes
import VoleryWellKnownTypes

/// Writes down one call, event by event. Any thread: of one call they come one after another, but for a cancel.
final class CallLog: Sendable {
  private struct State {
    var sequence: UInt64 = 0
    var hasServerHeader = false
    var isOver = false
    /// The caller may still take responses that are here.
    var hasResponsesLeft: Bool
    /// Of a call that is over while responses are left.
    var trailer: Ending?
  }

  private struct Ending {
    let trailer: LogTrailer
    let isTruncated: Bool
    let peer: Peer?
  }

  private static let lastID = Atomic<UInt64>(0)

  private let id = lastID.add(1, ordering: .relaxed).newValue
  private let side: LogGrpcLogEntry.Logger
  private let rule: BinaryLogFilter.Rule
  private let metadata: LogMetadataRules
  private let writer: LogWriter
  private let state: Mutex<State>

  /// - Parameter waitsForResponses: `responsesEnded` says when the last response was logged, and no trailer is before that.
  init(
    _ side: LogGrpcLogEntry.Logger, _ rule: BinaryLogFilter.Rule, _ options: BinaryLogOptions, _ writer: LogWriter,
    waitsForResponses: Bool
  ) {
    self.side = side
    self.rule = rule
    self.writer = writer
    metadata = LogMetadataRules(secretKeys: options.secretKeys, limit: rule.headerBytes)
    state = Mutex(State(hasResponsesLeft: waitsForResponses))
  }

  /// A caller who did not read to the end has no more use for the rest.
  deinit { responsesEnded() }

  // MARK: Events

  /// - Parameter peer: On a server.
  func clientHeader(
    _ sent: Metadata, _ method: MethodDescriptor, authority: String, timeout: Duration?, peer: Peer? = nil
  ) {
    let (entries, isTruncated) = metadata.entries(of: sent)
    let header = LogClientHeader(
      metadata: entries, methodName: method.path, authority: authority,
      timeout: timeout.map { Google_Protobuf_Duration(max($0, .zero)) })
    log(.clientHeader, .clientHeader(header), isTruncated, peer)
  }

  func request(_ bytes: [UInt8]) { message(.clientMessage, bytes) }

  func halfClose() { log(.clientHalfClose, nil) }

  /// The first time only.
  func serverHeader(_ sent: Metadata, peer: Peer? = nil) {
    let isFirst = state.withLock { state in
      defer { state.hasServerHeader = true }
      return !state.hasServerHeader
    }
    guard isFirst else { return }
    let (entries, isTruncated) = metadata.entries(of: sent)
    log(.serverHeader, .serverHeader(LogServerHeader(metadata: entries)), isTruncated, peer)
  }

  func response(_ bytes: [UInt8]) { message(.serverMessage, bytes) }

  /// The last of them.
  ///
  /// - Parameter peer: On a client; written where no header came before.
  func trailer(_ status: Status, _ sent: Metadata, peer: Peer? = nil) {
    let (entries, isTruncated) = metadata.entries(of: sent)
    let trailer = LogTrailer(
      metadata: entries, statusCode: UInt32(status.code.rawValue), statusMessage: status.message,
      statusDetails: sent[binary: StatusError.statusDetailsKey] ?? [])
    let isLater = state.withLock { state in
      let ending = Ending(trailer: trailer, isTruncated: isTruncated, peer: state.hasServerHeader ? nil : peer)
      state.trailer = ending
      return state.hasResponsesLeft
    }
    if !isLater { logTrailer() }
  }

  /// The last response was logged, or there will be none.
  func responsesEnded() {
    state.withLock { $0.hasResponsesLeft = false }
    logTrailer()
  }

  private func logTrailer() {
    guard let ending = state.withLock({ $0.trailer.take() }) else { return }
    log(.serverTrailer, .trailer(ending.trailer), ending.isTruncated, ending.peer, isLast: true)
  }

  /// The last of them.
  func cancel() { log(.cancel, nil, isLast: true) }

  // MARK: Entries

  private func message(_ type: LogGrpcLogEntry.EventType, _ bytes: [UInt8]) {
    let isTruncated = bytes.count > rule.messageBytes
    let message = LogMessage(
      length: UInt32(clamping: bytes.count), data: isTruncated ? Array(bytes.prefix(rule.messageBytes)) : bytes)
    log(type, .message(message), isTruncated)
  }

  private func log(
    _ type: LogGrpcLogEntry.EventType, _ payload: LogGrpcLogEntry.Payload?, _ isTruncated: Bool = false,
    _ peer: Peer? = nil, isLast: Bool = false
  ) {
    state.withLock { state in
      guard !state.isOver else { return }
      state.isOver = isLast
      state.sequence += 1
      // Under the lock, so that the file has them in their order.
      writer.write(
        LogGrpcLogEntry(
          timestamp: .now, callID: id, sequenceIDWithinCall: state.sequence, type: type, logger: side,
          payloadTruncated: isTruncated, peer: peer.map { LogAddress($0.address) }, payload: payload))
    }
  }
}

extension LogAddress {
  fileprivate init(_ address: SocketAddress) {
    switch address {
    case .tcp(let host, let port):
      let isIPv6 = host.contains(":")
      self.init(
        type: isIPv6 ? .ipv6 : .ipv4, address: String(host.prefix { $0 != "%" }), ipPort: UInt32(clamping: port))
    case .unix(let path): self.init(type: .unix, address: path)
    case .unixAbstract(let name): self.init(type: .unix, address: "@" + name)
    case .inProcess(let name): self.init(address: "in-process:" + name)
    }
  }
}
