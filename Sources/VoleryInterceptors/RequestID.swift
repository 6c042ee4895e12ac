public import Logging
public import VoleryClient
public import VoleryServer
import VoleryTypes

/// Gives every call an id by which its lines are found in all logs. On a server it takes the one that the client has sent, or
/// makes one; on a channel it sends on the id of the call that the caller is answering. The same line on both sides:
///
///     serverOptions.interceptors = [RequestID()]
///     channelOptions.interceptors = [RequestID()]
///
/// `RequestID.current` has it in the handler's task and its children. Log lines have it as "request-id": those of `Logger.current`
/// by themselves, those of other loggers with `RequestID.metadataProvider`. The client finds it in the trailing metadata.
///
/// An id that comes in is a stranger's: one that is over 128 bytes, or has other characters than letters, digits and `-_.:/+=`,
/// is not taken, and a fresh one made instead.
public struct RequestID: ServerInterceptor, ClientInterceptor {
  /// Of the call that the current task answers; nil outside of handlers.
  @TaskLocal public static var current: String?

  /// For `LoggingSystem.bootstrap(_:metadataProvider:)`, or `Logger(label:metadataProvider:)`.
  public static let metadataProvider = Logger.MetadataProvider { current.map { ["request-id": "\($0)"] } ?? [:] }

  private let key: String
  private let makesMissing: Bool

  /// - Parameters:
  ///   - key: Where it travels.
  ///   - makesMissing: On a channel: calls that no handler makes get a fresh id, too.
  public init(key: String = "x-request-id", makesMissing: Bool = false) {
    self.key = key
    self.makesMissing = makesMissing
  }

  /// What the interceptor does with a call; the server or the channel calls it.
  public func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws {
    let sent = call.metadata[key].flatMap { RequestID.isFit($0) ? $0 : nil }
    let id = sent ?? RequestID.make()
    call.context.trailingMetadata[key] = id
    try await RequestID.$current.withValue(id) {
      try await withLogger(mergingMetadata: ["request-id": "\(id)"]) { _ in try await next() }
    }
  }

  /// What the interceptor does with a call; the server or the channel calls it.
  public func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws {
    if let id = RequestID.current ?? (makesMissing ? RequestID.make() : nil), call.metadata[key] == nil {
      call.metadata[key] = id
    }
    try await next()
  }

  /// 128 random bits in hexadecimal.
  static func make() -> String {
    let words = [UInt64.random(in: 0 ... .max), UInt64.random(in: 0 ... .max)].map { String($0, radix: 16) }
    return words.map { String(repeating: "0", count: 16 - $0.count) + $0 }.joined()
  }

  static func isFit(_ id: String) -> Bool {
    (1...128).contains(id.utf8.count)
      && id.utf8.allSatisfy { byte in
        byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 26 || "-_.:/+=".utf8.contains(byte)
      }
  }
}
