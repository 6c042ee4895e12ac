import Synchronization
public import VoleryServer
public import VoleryTypes

/// So many calls of a method may run at once, each method for itself; more are refused at once with RESOURCE_EXHAUSTED, and the
/// client is told when to try again (`grpc-retry-pushback-ms`, gRFC A6), which one that retries this code heeds:
///
///     options.interceptors = [
///       ConcurrencyLimit(200),                                                   // each method of the server
///       ConcurrencyLimit(4, retryAfter: .seconds(1)).only(methods: ["/shop.Reports/Render"])
///     ]
///
/// For what is scarce behind a method: connections to a database, memory. `ServerOptions.maxConcurrentCalls` bounds all methods
/// together.
public final class ConcurrencyLimit: ServerInterceptor {
  private let limit: Int
  private let pushback: Duration?
  /// Of methods that run, by path: an unknown one takes no place for longer than its call.
  private let running = Mutex<[String: Int]>([:])

  /// - Parameters:
  ///   - limit: At least 1.
  ///   - pushback: Told in milliseconds, at least 1. Nil: the client is told nothing, and retries by its own policy.
  public init(_ limit: Int, retryAfter pushback: Duration? = .milliseconds(100)) {
    precondition(limit > 0, "a limit of \(limit) calls would let none through")
    self.limit = limit
    self.pushback = pushback
  }

  /// Calls of a method that run now.
  public func count(of method: MethodDescriptor) -> Int { running.withLock { $0[method.path] ?? 0 } }

  /// What the interceptor does with a call; the server or the channel calls it.
  public func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws {
    let path = call.method.path
    guard enter(path) else { throw refusal }
    defer { leave(path) }
    try await next()
  }

  private func enter(_ path: String) -> Bool {
    running.withLock { running in
      guard running[path, default: 0] < limit else { return false }
      running[path, default: 0] += 1
      return true
    }
  }

  private func leave(_ path: String) {
    running.withLock { running in
      let count = running[path, default: 1] - 1
      running[path] = count > 0 ? count : nil
    }
  }

  private var refusal: StatusError {
    var error = StatusError(.resourceExhausted, "the method is at its limit of \(limit) calls")
    // 0 is valid (gRFC A6), but C-core 1.85.3 does not come again after it.
    if let pushback { error.metadata["grpc-retry-pushback-ms"] = "\(max(1, Int64(pushback / .milliseconds(1))))" }
    return error
  }
}
