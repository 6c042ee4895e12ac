public import VoleryClient
public import VoleryServer
import VoleryTypes

/// A deadline for calls that come without one, on either side; and a bound for those that have one:
///
///     serverOptions.interceptors = [DefaultDeadline(.seconds(30), atMost: .seconds(300))]
///     channelOptions.interceptors = [DefaultDeadline(.seconds(5)).only(services: ["shop.Orders"])]
///
/// On a server the call ends with DEADLINE_EXCEEDED when it has passed: the handler's task is cancelled, and so are the calls
/// that it has made. Streams that go on for as long as their client wants are left out with `only`.
public struct DefaultDeadline: ServerInterceptor, ClientInterceptor {
  private let timeout: Duration
  private let longest: Duration?

  /// - Parameters:
  ///   - timeout: For calls without a deadline, from when they come to this interceptor.
  ///   - longest: For all calls; nil: theirs hold, however long.
  public init(_ timeout: Duration, atMost longest: Duration? = nil) {
    self.timeout = timeout
    self.longest = longest
  }

  /// What the interceptor does with a call; the server or the channel calls it.
  public func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws {
    call.deadline = bounded(call.deadline)
    try await next()
  }

  /// What the interceptor does with a call; the server or the channel calls it.
  public func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws {
    let deadline = bounded(call.deadline)
    if deadline != call.deadline { call.deadline = deadline }
    try await next()
  }

  private func bounded(_ deadline: Deadline) -> Deadline {
    let deadline = deadline == .none ? Deadline.after(timeout) : deadline
    return longest.map { min(deadline, Deadline.after($0)) } ?? deadline
  }
}
