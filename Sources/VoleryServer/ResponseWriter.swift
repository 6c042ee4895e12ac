public import VoleryTypes

/// Where a handler that streams writes its responses.
public struct ResponseWriter<Response: Sendable>: Sendable {
  @usableFromInline let call: ServerCall
  @usableFromInline let serializer: Serializer<Response>

  @usableFromInline init(call: ServerCall, serializer: Serializer<Response>) {
    self.call = call
    self.serializer = serializer
  }

  /// Sends a response; suspends while the client does not keep up. Throws CANCELLED (or DEADLINE_EXCEEDED) once the call is
  /// over: a handler that does not catch it ends as it should.
  ///
  /// - Parameter compressed: False: this response is not compressed, though the call's are
  ///   (`ServerContext.responseCompression`).
  @inlinable public func write(_ response: Response, compressed: Bool = true) async throws(StatusError) {
    let frame = try call.frame(response, serializer, isCompressed: compressed)
    if try !call.sendOnLoop(frame) { try await call.send(frame) }
  }
}
