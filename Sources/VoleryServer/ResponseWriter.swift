public import VoleryTypes

/// Where a handler that streams writes its responses.
public struct ResponseWriter<Response: Sendable>: Sendable {
  let call: ServerCall
  let serializer: Serializer<Response>

  /// Sends a response; suspends while the client does not keep up. Throws CANCELLED (or DEADLINE_EXCEEDED) once the call is
  /// over: a handler that does not catch it ends as it should.
  public func write(_ response: Response) async throws(StatusError) {
    try await call.send(call.frame(response, serializer))
  }
}
