import Volery

/// Sends a token with every call.
struct SendToken: ClientInterceptor {
  let token: String

  func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws {
    call.metadata["authorization"] = "Bearer \(token)"
    try await next()
  }
}

/// Sends the request id of the call that is being answered, if there is one.
struct SendRequestID: ClientInterceptor {
  func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws {
    if let id = TakeRequestID.current { call.metadata["x-request-id"] = id }
    try await next()
  }
}
