import Logging
import Synchronization
import VoleryPrimitives
import VoleryTLSSession
import VoleryTypes

/// The lines that a server logs about connections that came to nothing. Anybody can make such connections: so many lines a
/// period and no more, and the next one says how many were left out.
final class ConnectionLog: Sendable {
  private let logger: Logger
  private let limit = Mutex(ReportLimit(20, per: .seconds(10)))

  init(_ logger: Logger) { self.logger = logger }

  /// A client that did not come to its first call.
  func refused(_ client: SocketAddress?, _ reason: String) {
    guard let leftOut = limit.withLock({ $0.admit(at: .now) }) else { return }
    var metadata: Logger.Metadata = ["reason": "\(String(line: reason))"]
    if let client { metadata["client"] = "\(String(foreign: "\(client)"))" }
    if leftOut > 0 { metadata["left out before"] = "\(leftOut)" }
    logger.notice("a connection came to nothing", metadata: metadata)
  }

  func files(_ outcome: TLSContextSource.Outcome) {
    switch outcome {
    case .unchanged: return
    case .reloaded: logger.info("certificates were read anew; new connections use them")
    case .refused(let error):
      logger.error(
        "the changed certificates can't be used; those of before stay",
        metadata: ["reason": "\(String(line: "\(error)"))"])
    }
  }
}
