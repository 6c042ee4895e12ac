import Synchronization
import VoleryEventLoops
import VoleryHTTP2Transport
import VoleryObservation
import VoleryPrimitives
package import VoleryTransport
import VoleryTypes

/// Answers the streams that clients open on a server's connections: finds the handler, makes the call.
///
/// Each loop's connections have a copy of their own. Calls refer to it and to what it finds, and loops that count references to
/// the same objects wait for each other's cores, some twenty times a call (Docs/Performance.md, "Many cores").
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
  let server: ObservedServer
  let drainSignal: DrainSignal
  private let table: ServiceTable
  private let interceptors: [any ServerInterceptor]
  private let fallback: UnlistedMethod.Fallback?
  private let forwarder: (any StreamForwarder)?
  /// Of all copies together; nil: there is none.
  private let limit: CallLimit?
  /// Calls whose stream is open or whose handler runs, without those of the copies.
  private let runningCalls = Atomic<Int>(0)
  /// By their loops.
  private let copies = Mutex<[ObjectIdentifier: CallDispatcher]>([:])

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
    limit = options.maxConcurrentCalls == .max ? nil : CallLimit(options.maxConcurrentCalls)
    server = ObservedServer()
    drainSignal = DrainSignal()
    maxRequestMessageBytes = options.maxRequestMessageBytes
    maxMetadataBytes = options.connection.maxMetadataBytes
    compression = options.compression
  }

  private init(copying other: CallDispatcher) {
    maxRequestMessageBytes = other.maxRequestMessageBytes
    maxMetadataBytes = other.maxMetadataBytes
    compression = other.compression
    log = other.log
    loadRecorder = other.loadRecorder
    observer = other.observer
    server = other.server
    drainSignal = other.drainSignal
    table = other.table.copy()
    interceptors = other.interceptors
    fallback = other.fallback
    forwarder = other.forwarder
    limit = other.limit
  }

  /// The loop's copy. Any thread.
  func copy(for loop: EventLoop) -> CallDispatcher {
    copies.withLock { copies in
      if let copy = copies[ObjectIdentifier(loop)] { return copy }
      let copy = CallDispatcher(copying: self)
      copies[ObjectIdentifier(loop)] = copy
      return copy
    }
  }

  /// Calls that have not ended, those of the copies too: the stream is open, or the handler runs.
  package var callCount: Int {
    copies.withLock { $0.values.reduce(0) { $0 + $1.callCount } } + runningCalls.load(ordering: .relaxed)
  }

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
    if let limit, !limit.take() {
      let text = "the server is at its limit of \(limit.count) calls"
      return refuse(
        stream, Status(code: .resourceExhausted, message: text), method.handler.descriptor, head)
    }
    runningCalls.add(1, ordering: .relaxed)
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

  func callEnded() {
    runningCalls.subtract(1, ordering: .relaxed)
    limit?.giveBack()
  }

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
