public import VoleryTypes

/// Where a handler that streams writes its responses. Several tasks may write at once: every response arrives whole, those
/// of one task in their order, and all of the tasks wait while the client does not keep up.
public struct ResponseWriter<Response: Sendable>: Sendable {
  @usableFromInline let call: ServerCall
  @usableFromInline let serializer: Serializer<Response>

  @usableFromInline init(call: ServerCall, serializer: Serializer<Response>) {
    self.call = call
    self.serializer = serializer
  }

  /// Sends a response; suspends while the client does not keep up. Throws CANCELLED (or DEADLINE_EXCEEDED) once the call is
  /// over: a handler that does not catch it ends as it should. A cancelled task does not wait: it is thrown CANCELLED where
  /// it would have to.
  ///
  /// - Parameter compressed: False: this response is not compressed, though the call's are
  ///   (`ServerContext.responseCompression`).
  @inlinable public func write(_ response: Response, compressed: Bool = true) async throws(StatusError) {
    let frame = try call.frame(response, serializer, isCompressed: compressed)
    if try !call.sendOnLoop(frame) { try await call.send(frame) }
  }
}
