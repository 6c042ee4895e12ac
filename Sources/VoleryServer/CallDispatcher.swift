import Synchronization
import VoleryEventLoops
import VoleryHTTP2Transport
import VoleryObservation
import VoleryPrimitives
package import VoleryTransport
import VoleryTypes

/// Answers the streams that clients open on any of a server's connections: finds the handler, makes the call.
package final class CallDispatcher: ServerStreamAcceptor {
  package let maxRequestMessageBytes: Int
  package let maxMetadataBytes: Int
  /// Of responses, where the handler says nothing else.
  let compression: Compression
  let log: HandlerLog
  /// Nil: calls send no report of the load.
  let loadRecorder: LoadRecorder?
  /// Nil: nobody looks.
  let observer: (any Observer)?
  let server = ObservedServer()
  let drainSignal = DrainSignal()
  private let table: ServiceTable
  private let interceptors: [any ServerInterceptor]
  private let fallback: UnlistedMethod.Fallback?
  private let forwarder: (any StreamForwarder)?
  private let maxCalls: Int
  /// Calls whose stream is open or whose handler runs.
  private let runningCalls = Atomic<Int>(0)

  init(handlers: [MethodHandler], options: ServerOptions) {
    precondition(
      options.interceptors.count <= Interception.maxInterceptors,
      "a server can have \(Interception.maxInterceptors) interceptors, not \(options.interceptors.count)")
    interceptors = options.interceptors
    table = ServiceTable(handlers, interceptors: interceptors)
    log = HandlerLog(options.logger)
    loadRecorder = options.loadRecorder
    observer = ObserverList.observer(of: options.observers)
    fallback = options.fallback
    forwarder = options.forwarder
    maxCalls = options.maxConcurrentCalls
    maxRequestMessageBytes = options.maxRequestMessageBytes
    maxMetadataBytes = options.connection.maxMetadataBytes
    compression = options.compression
  }

  /// Calls that have not ended: the stream is open, or the handler runs.
  package var callCount: Int { runningCalls.load(ordering: .relaxed) }

  package func accept(
    path: UnsafeRawBufferPointer, head: consuming ServerRequestHead, stream: any ServerStream
  ) -> (any ServerStreamHandler)? {
    guard let method = table[path] ?? (forwarder == nil ? entry(for: UnlistedMethod(path)) : nil) else {
      if let forwarder { return forwarder.accept(path: path, head: head, stream: stream) }
      let method = UnlistedMethod(path)
      return refuse(stream, method.status(table.serviceNames), method.descriptor, head)
    }
    guard let requestCompression = head.messageEncoding.map(Compression.init(name:)) ?? .identity else {
      return refuse(
        stream, unknownEncoding(head.messageEncoding), method.handler.descriptor, head,
        trailingMetadata: ["grpc-accept-encoding": Compression.acceptedNames])
    }
    guard runningCalls.add(1, ordering: .relaxed).newValue <= maxCalls else {
      runningCalls.subtract(1, ordering: .relaxed)
      let text = "the server is at its limit of \(maxCalls) calls"
      return refuse(
        stream, Status(code: .resourceExhausted, message: text), method.handler.descriptor, head)
    }
    let call = ServerCall(
      method: method, head: consume head, stream: stream, workers: pool(of: stream.transportLoop), dispatcher: self,
      requestCompression: requestCompression)
    call.accepted()
    return call
  }

  /// Ends a call that no handler gets.
  private func refuse(
    _ stream: any ServerStream, _ status: Status, _ method: @autoclosure () -> MethodDescriptor,
    _ head: borrowing ServerRequestHead, trailingMetadata: Metadata = Metadata()
  ) -> (any ServerStreamHandler)? {
    if let observer {
      let call = RefusedCall(
        server: server, method: method(), isRegistered: status.code != .unimplemented, sentMetadata: head.metadata,
        peer: stream.peer, timeout: head.timeout)
      var unused: HandlerBinding?
      var watch = ServerCallWatch(call, observer, on: pool(of: stream.transportLoop).loop, &unused)
      watch?.answers(status)
      watch?.ended(nil)
    }
    stream.finish(status, trailingMetadata: trailingMetadata)
    return nil
  }

  /// Tells the observers, if there are any.
  func observe(_ event: @autoclosure () -> ServerEvent) {
    if let observer { observer.happened(event(), to: server) }
  }

  /// The method whose calls have this tag (`ServerCall.tag`), in words; nil for another server's.
  func name(ofTag tag: UInt) -> String? {
    switch tag {
    case ServiceTable.fallbackTag: "a method that the fallback answers"
    case LoopActivity.observer: observer.map { "an observer (\($0))" }
    default: table.path(ofTag: tag)
    }
  }

  func callEnded() { runningCalls.subtract(1, ordering: .relaxed) }

  /// The loop's own, shared by all servers that use it.
  private func pool(of loop: any TransportLoop) -> WorkerPool {
    loop.local {
      guard let loop = loop.runningLoop as? EventLoop else {
        preconditionFailure("a server's calls run on event loops")
      }
      return WorkerPool(loop: loop)
    }
  }

  /// What answers a method that no service has: the fallback; where interceptors want to see it, one that says so.
  private func entry(for method: UnlistedMethod) -> ServiceTable.Entry? {
    if let fallback, let handler = method.handler(fallback) {
      return ServiceTable.Entry(fallback: handler, interceptors)
    }
    guard !interceptors.isEmpty else { return nil }
    let status = method.status(table.serviceNames)
    let handler = MethodHandler(descriptor: method.descriptor) {
      try $0.handlerFailed(StatusError(status: status, origin: .local))
    }
    let entry = ServiceTable.Entry(fallback: handler, interceptors)
    return entry.interceptors.isEmpty ? nil : entry
  }

  private func unknownEncoding(_ name: String?) -> Status {
    let text = "messages compressed with '\(String(foreign: name ?? ""))' can't be read"
    return Status(code: .unimplemented, message: text)
  }
}
