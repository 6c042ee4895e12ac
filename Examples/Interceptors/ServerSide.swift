import Volery

/// Lets nobody in without a token that is known, and tells the handler whose it is.
struct Authentication: ServerInterceptor {
  @TaskLocal static var caller = "nobody"
  let callers: [String: String]

  func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws {
    guard let header = call.metadata["authorization"], header.hasPrefix("Bearer "),
      let caller = callers[String(header.dropFirst("Bearer ".count))]
    else { throw StatusError(.unauthenticated, "a known bearer token is needed") }
    try await Authentication.$caller.withValue(caller) { try await next() }
  }
}

/// Takes a call's request id, or makes one; the calls that the handler makes have it, too (`SendRequestID`).
struct TakeRequestID: ServerInterceptor {
  @TaskLocal static var current: String?

  func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws {
    let id = call.metadata["x-request-id"] ?? String(UInt64.random(in: 0 ... .max), radix: 36)
    call.context.trailingMetadata["x-request-id"] = id
    try await TakeRequestID.$current.withValue(id) { try await next() }
  }
}

/// A line for each call.
struct AccessLog: ServerInterceptor {
  let write: @Sendable (String) -> Void

  func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws {
    do {
      try await next()
      write("\(call.method.path) OK")
    } catch {
      write("\(call.method.path) \((error as? StatusError)?.code ?? .unknown)")
      throw error
    }
  }
}
