public import VoleryTypes

/// Where a handler that streams writes its responses.
public struct ResponseWriter<Response: Sendable>: Sendable {
  let call: ServerCall
  let serializer: Serializer<Response>

  /// Sends a response; suspends while the client does not keep up. Throws CANCELLED (or DEADLINE_EXCEEDED) once the call is
  /// over: a handler that does not catch it ends as it should.
  ///
  /// - Parameter compressed: False: this response is not compressed, though the call's are
  ///   (`ServerContext.responseCompression`).
  public func write(_ response: Response, compressed: Bool = true) async throws(StatusError) {
    try await call.send(call.frame(response, serializer, isCompressed: compressed))
  }
}
