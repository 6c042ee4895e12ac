import Logging
import Synchronization
import VoleryTLSSession
import VoleryTypes

/// The lines that a server logs about connections that came to nothing. Anybody can make such connections: so many lines a
/// period and no more, and the next one says how many were left out.
final class ConnectionLog: Sendable {
  private struct State {
    var periodStart = ContinuousClock.now
    var lines = 0
    var leftOut = 0
  }

  private let logger: Logger
  private let state = Mutex(State())
  private static let period = Duration.seconds(10)
  private static let linesPerPeriod = 20

  init(_ logger: Logger) { self.logger = logger }

  /// A client that did not come to its first call.
  func refused(_ client: SocketAddress?, _ reason: String) {
    guard let leftOut = admit() else { return }
    var metadata: Logger.Metadata = ["reason": "\(reason)"]
    if let client { metadata["client"] = "\(client)" }
    if leftOut > 0 { metadata["left out before"] = "\(leftOut)" }
    logger.notice("a connection came to nothing", metadata: metadata)
  }

  /// The number of lines that were left out since the last one; nil: leave this one out too.
  private func admit() -> Int? {
    state.withLock { state in
      let now = ContinuousClock.now
      if state.periodStart.duration(to: now) >= ConnectionLog.period {
        state.periodStart = now
        state.lines = 0
      }
      guard state.lines < ConnectionLog.linesPerPeriod else {
        state.leftOut += 1
        return nil
      }
      state.lines += 1
      defer { state.leftOut = 0 }
      return state.leftOut
    }
  }

  func files(_ outcome: TLSContextSource.Outcome) {
    switch outcome {
    case .unchanged: return
    case .reloaded: logger.info("certificates were read anew; new connections use them")
    case .refused(let error):
      logger.error(
        "the changed certificates can't be used; those of before stay", metadata: ["reason": "\(error)"])
    }
  }
}
