public import VoleryServer
public import VoleryTypes
import VoleryWellKnownTypes

/// Tells clients of your own errors what they should know, instead of UNKNOWN: those that say it themselves
/// (`StatusErrorConvertible`), and those of others by a closure:
///
///     options.interceptors = [
///       AccessLog(logger),
///       ErrorMapping { error in
///         (error as? DatabaseError)?.isBusy == true ? StatusError(.unavailable, "the database is busy") : nil
///       },
///     ]
///
/// Errors that nobody maps stay what they are: UNKNOWN to the client, and a line in the server's log. Behind what looks at
/// statuses, as an access log does: it sees the mapped ones then.
public struct ErrorMapping: ServerInterceptor {
  private let map: @Sendable (any Error) -> StatusError?

  /// - Parameter map: Asked first. Nil: it is no error of this kind.
  public init(_ map: @escaping @Sendable (any Error) -> StatusError? = { _ in nil }) { self.map = map }

  /// What the interceptor does with a call; the server or the channel calls it.
  public func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws {
    do {
      try await next()
    } catch {
      throw map(error) ?? ErrorMapping.statusError(of: error) ?? error
    }
  }

  /// Nil where the error does not know.
  static func statusError(of error: any Error) -> StatusError? {
    guard let known = error as? any StatusErrorConvertible else { return nil }
    let plain = StatusError(known.statusCode == .ok ? .unknown : known.statusCode, known.statusMessage)
    guard !known.statusDetails.isEmpty else { return plain }
    // Where a detail has no bytes (a required field is missing), the status matters more.
    return (try? StatusError(plain.code, plain.message, details: known.statusDetails)) ?? plain
  }
}
