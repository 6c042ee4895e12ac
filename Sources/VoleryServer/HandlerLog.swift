import Logging
import Synchronization
import VoleryPrimitives
import VoleryTypes

/// The lines that a server logs about handlers that fail. A client may make one fail as often as it likes: so many lines of a
/// kind a period for each method and no more, and the next one says how many were left out. Any thread.
final class HandlerLog: Sendable {
  /// What a line is about.
  enum Kind: Hashable, Sendable {
    /// The handler has thrown what is no `StatusError`.
    case failed
    /// The same of an interceptor, or it has done what it may not.
    case interceptor
    /// The handler has let the failure of a call through that it had made.
    case innerCall
    case unreadable
    case unserializable
  }

  private struct Key: Hashable {
    let tag: UInt
    let kind: Kind
  }

  private let logger: Logger
  private let limits = Mutex<[Key: ReportLimit]>([:])

  init(_ logger: Logger) { self.logger = logger }

  /// Called once for each failure.
  ///
  /// - Parameters:
  ///   - isOver: The call has ended before: what its handler throws then is the consequence as a rule, and told to those only who
  ///     look closely.
  ///   - interceptor: Whose fault it is, where that is known.
  func report(
    _ kind: Kind, _ error: any Error, of call: ServerCall, isOver: Bool, by interceptor: Any.Type? = nil
  ) {
    let level = level(of: kind, isOver: isOver)
    guard logger.logLevel <= level, let leftOut = admit(Key(tag: call.tag, kind: kind)) else { return }
    var metadata: Logger.Metadata = [
      "method": "\(String(foreign: call.method.path))", "error": "\(String(foreign: "\(error)", limit: 1000))",
    ]
    if let interceptor { metadata["interceptor"] = "\(Interception.name(of: interceptor))" }
    if leftOut > 0 { metadata["left out before"] = "\(leftOut)" }
    logger.log(level: level, message(kind), metadata: metadata)
  }

  private func admit(_ key: Key) -> Int? {
    limits.withLock { $0[key, default: ReportLimit(20, per: .seconds(10))].admit(at: .now) }
  }

  private func level(of kind: Kind, isOver: Bool) -> Logger.Level {
    // A request is the client's.
    if kind == .unreadable { return .notice }
    return isOver ? .debug : .error
  }

  private func message(_ kind: Kind) -> Logger.Message {
    switch kind {
    case .failed: "a handler has failed"
    case .interceptor: "an interceptor has failed"
    case .innerCall: "a handler has failed with a call that it made"
    case .unreadable: "a request can't be read"
    case .unserializable: "a response can't be serialized"
    }
  }
}
