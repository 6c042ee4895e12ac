package import VoleryEventLoops
package import VoleryTransport
package import VoleryTypes

/// A call that no client has made, whose handler somebody else runs: what a test hands to a method that it calls itself. What
/// the handler says goes to `stream`.
package final class MadeUpCall: Sendable {
  private let call: ServerCall
  private let dispatcher: CallDispatcher
  private let loop: EventLoop
  /// The call only points to it.
  private let workers: WorkerPool

  /// - Parameter makeStream: Of the loop where the call's state is.
  package init(
    _ method: MethodDescriptor, _ head: ServerRequestHead, makeStream: (EventLoop) -> any ServerStream
  ) throws(StatusError) {
    do throws(SocketError) {
      loop = try EventLoopGroup.shared().next()
    } catch {
      throw StatusError(.unavailable, error.description)
    }
    dispatcher = CallDispatcher(handlers: [], options: ServerOptions())
    workers = WorkerPool(loop: loop)
    call = ServerCall(
      method: ServiceTable.Entry(MethodHandler(descriptor: method) { _ in }), head: head, stream: makeStream(loop),
      workers: workers, dispatcher: dispatcher)
  }

  package var context: ServerContext { ServerContext(call) }

  package func requests<Request>(_ serializer: Serializer<Request>) -> RequestStream<Request> {
    RequestStream(call: call, serializer: serializer)
  }

  package func responses<Response>(_ serializer: Serializer<Response>) -> ResponseWriter<Response> {
    ResponseWriter(call: call, serializer: serializer)
  }

  /// The client sends a request.
  ///
  /// - Precondition: it streams.
  package func receive(_ bytes: [UInt8]) {
    precondition(streamsRequests, "\(call.method.path) takes one request, which its handler is given directly")
    loop.execute { [call] in call.messageReceived(bytes, isCompressed: false) }
  }

  /// The client sends no more.
  package func halfClose() {
    precondition(streamsRequests, "\(call.method.path) takes one request, which its handler is given directly")
    loop.execute { [call] in call.halfClosed() }
  }

  private var streamsRequests: Bool { call.method.kind == .clientStreaming || call.method.kind == .bidirectional }

  /// The call is over before its handler; returns when the handler can see it.
  package func end(_ error: StatusError) async {
    await withCheckedContinuation { continuation in
      loop.execute { [call] in
        call.closed(error)
        continuation.resume()
      }
    }
  }

  package func beginDraining() { dispatcher.drainSignal.begin() }
}
