public import Logging
import VoleryPrimitives
import VoleryTypes

/// Which lines a proxy writes for the calls that it has forwarded. Nothing of what a call carries is written, neither metadata
/// nor messages.
public struct ProxyAccessLog: Sendable {
  enum Form { case none, compact, full }

  let form: Form
  let logger: Logger?

  /// No lines.
  public static let none = ProxyAccessLog(form: .none, logger: nil)

  /// A line for each call: its method, its status, how long it took and whose it was.
  public static func compact(_ logger: Logger) -> ProxyAccessLog { ProxyAccessLog(form: .compact, logger: logger) }

  /// The same with the server that had it, the bytes that went each way, what the client gave it of time, and the text of a status
  /// that is not OK.
  public static func full(_ logger: Logger) -> ProxyAccessLog { ProxyAccessLog(form: .full, logger: logger) }

  /// What is told of a call.
  struct Entry {
    let method: MethodDescriptor
    let client: Peer
    let startedAt: Moment
    var server: Peer?
    var requestBytes = 0
    var responseBytes = 0
    let timeout: Duration?

    init(method: MethodDescriptor, client: Peer, timeout: Duration?) {
      self.method = method
      self.client = client
      self.timeout = timeout
      startedAt = .now
    }
  }

  func write(_ entry: Entry, _ status: Status) {
    guard let logger else { return }
    let nanoseconds = entry.startedAt.nanoseconds(to: .now)
    var metadata: Logger.Metadata = [
      "method": "\(String(foreign: entry.method.path))", "status": "\(status.code)",
      "milliseconds": "\(Double(nanoseconds / 1000) / 1000)", "client": "\(entry.client)",
    ]
    if form == .full {
      metadata["server"] = entry.server.map { "\($0)" } ?? "none"
      metadata["request-bytes"] = "\(entry.requestBytes)"
      metadata["response-bytes"] = "\(entry.responseBytes)"
      if let timeout = entry.timeout { metadata["timeout"] = "\(timeout)" }
      if !status.message.isEmpty { metadata["message"] = "\(String(foreign: status.message))" }
    }
    logger.info("call", metadata: metadata)
  }
}
