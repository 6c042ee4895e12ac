public import Logging
import VoleryPrimitives
public import VoleryServer
import VoleryTypes

/// Finds out who calls, and lets nobody in whom it does not know; the handler finds the caller in its context:
///
///     let users = Authentication { request in
///       guard let user = await accounts.user(ofToken: request.bearerToken) else {
///         throw StatusError(.unauthenticated, "a known token is needed")
///       }
///       return user
///     }
///     options.interceptors = [users.only { $0.service != "grpc.health.v1.Health" }]
///
///     func buy(_ request: Order, context: ServerContext) async throws -> Receipt {
///       let user = try context.caller(User.self) ...
///
/// A `StatusError` that the closure throws is what the client gets (PERMISSION_DENIED for one that is known and may not, say).
/// Anything else that it throws is UNAUTHENTICATED without its text, which only the log has.
public struct Authentication<Caller: Sendable>: ServerInterceptor {
  private let logger: Logger
  private let identify: @Sendable (AuthenticationRequest) async throws -> Caller

  /// - Parameters:
  ///   - logger: Has why somebody was refused, at `info`, where the client is not told.
  ///   - identify: Runs for every call, before its handler and where that runs: it must not block an event loop.
  public init(
    logger: Logger = Logger(label: "volery.authentication"),
    _ identify: @escaping @Sendable (AuthenticationRequest) async throws -> Caller
  ) {
    self.logger = logger
    self.identify = identify
  }

  /// What the interceptor does with a call; the server or the channel calls it.
  public func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws {
    call.context[CallerKey<Caller>.self] = try await caller(of: call)
    try await next()
  }

  private func caller(of call: ServerInvocation) async throws -> Caller {
    do {
      return try await identify(AuthenticationRequest(method: call.method, metadata: call.metadata, peer: call.peer))
    } catch let error where error is StatusError || error is CancellationError {
      throw error
    } catch {
      logger.info(
        "a caller is refused",
        metadata: ["method": "\(String(foreign: call.method.path))", "reason": "\(String(foreign: "\(error)"))"])
      throw StatusError(.unauthenticated, "the caller's credentials are not accepted")
    }
  }
}
