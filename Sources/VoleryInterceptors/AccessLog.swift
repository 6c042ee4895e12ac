public import Logging
import VoleryPrimitives
public import VoleryServer
import VoleryTypes

/// A line for each call that the server has answered, or for those that a rule picks:
///
///     options.interceptors = [
///       RequestID(),
///       AccessLog(logger, where: .failures(andShare: 0.01, slowerThan: .seconds(1)))
///     ]
///
/// Behind `RequestID` its lines have the id; it has to stand in front of whatever refuses calls. Nothing of what a call carries
/// is logged: neither metadata nor messages.
public struct AccessLog: ServerInterceptor {
  private let logger: Logger
  private let level: Logger.Level
  private let rule: Rule

  /// A log to this logger.
  ///
  /// - Parameters:
  ///   - level: Of every line.
  ///   - rule: Which calls are logged; all.
  public init(_ logger: Logger, at level: Logger.Level = .info, where rule: Rule = .all) {
    self.logger = logger
    self.level = level
    self.rule = rule
  }

  /// What the interceptor does with a call; the server or the channel calls it.
  public func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws {
    let start = ContinuousClock.now
    do {
      try await next()
      log(call, call.status(for: nil), since: start)
    } catch {
      log(call, call.status(for: error), since: start)
      throw error
    }
  }

  private func log(_ call: ServerInvocation, _ status: Status, since start: ContinuousClock.Instant) {
    let entry = Entry(method: call.method, status: status, duration: start.duration(to: .now), peer: call.peer)
    guard logger.logLevel <= level, rule.picks(entry) else { return }
    var metadata: Logger.Metadata = [
      "method": "\(String(foreign: entry.method.path))", "status": "\(status.code)",
      "milliseconds": "\((entry.duration / .microseconds(1)).rounded() / 1000)",
      "peer": "\(String(foreign: "\(entry.peer)"))",
    ]
    if !status.message.isEmpty { metadata["message"] = "\(String(foreign: status.message))" }
    if let id = RequestID.current { metadata["request-id"] = "\(id)" }
    logger.log(level: level, "call", metadata: metadata)
  }
}
