import Volery

// As they stand in Docs/Interceptors.md.

struct RequireToken: ServerInterceptor {
  func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws {
    guard call.metadata["authorization"] == "Bearer letmein" else {
      throw StatusError(.unauthenticated, "no token, or another one")
    }
    try await next()
  }
}

enum RequestIDKey: ServerContextKey { typealias Value = String }
enum Current { @TaskLocal static var requestID: String? }

struct TakesRequestID: ServerInterceptor {
  func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws {
    let id = call.metadata["x-request-id"] ?? makeID()
    call.context.initialMetadata["x-request-id"] = id  // The client gets it back.
    call.context[RequestIDKey.self] = id
    try await Current.$requestID.withValue(id) { try await next() }
  }
}

struct RequestID: ClientInterceptor {
  func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws {
    call.metadata["x-request-id"] = makeID()
    do {
      try await next()
    } catch {
      print(call.method.path, "failed:", error)
      throw error
    }
  }
}

struct Politeness: ClientInterceptor {
  func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws {
    call.onRequest { message in
      guard let text = try message.value(as: [UInt8].self) else { return }
      try message.replace(with: text + Array(", please".utf8))
    }
    call.onResponse { message in print("a response of \(try message.bytes().count) bytes") }
    try await next()
  }
}

struct SoldOut: ServerInterceptor {
  func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws {
    if call.metadata["x-want"] == "scones" { return call.respond(bytes: Array("no scones today".utf8)) }
    try await next()
  }
}
