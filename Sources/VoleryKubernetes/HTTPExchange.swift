import Synchronization
import VoleryEventLoops
import VoleryTLSSession

/// One GET of HTTP/1.1 over a connection of its own, from connecting to the end of the answer. HTTP/1.1 is what every API
/// server, and every proxy in front of one, speaks; a watch needs a connection of its own there anyway. On its loop, but for
/// what is marked.
final class HTTPExchange: SocketDelegate, @unchecked Sendable {  // Isolation: loop
  struct Request: Sendable {
    var destination: SocketDestination
    /// Nil: plain text.
    var tls: TLSContext?
    /// Of the certificate.
    var serverName: String
    /// Method, target and fields, with the empty line at their end.
    var head: String
  }

  struct Limits: Sendable {
    var connect = Duration.seconds(5)
    /// Nothing comes for so long, from the connection on.
    var silence: Duration
    /// From beginning to end.
    var whole: Duration
  }

  enum Event: Sendable {
    case response(HTTPResponseParser.Event)
    /// The last one.
    case failed(KubernetesFailure)
  }

  private let loop: EventLoop
  private let request: Request
  private let limits: Limits
  private var connector: SocketConnector?
  private var socket: Socket?
  private var tls: TLSSession?
  private var parser = HTTPResponseParser()
  private var silence: LoopTimer?
  private var end: LoopTimer?
  private var isSent = false
  private var isOver = false
  private var isPaused = false
  private let continuation: AsyncStream<Event>.Continuation
  /// Any thread: what comes, in its order; it ends after `end` or a failure.
  let events: AsyncStream<Event>
  /// Any thread: bytes of bodies that the reader has not taken yet.
  private let unread = Atomic<Int>(0)

  /// The peer has to wait while there is more.
  private static let maxUnread = 1 << 20

  /// Any thread.
  init(_ request: Request, limits: Limits, on loop: EventLoop) {
    self.request = request
    self.limits = limits
    self.loop = loop
    (events, continuation) = AsyncStream.makeStream(of: Event.self)
  }

  /// Any thread.
  func start() { loop.execute { [self] in connect() } }

  /// Any thread: nothing more comes, and the connection is closed.
  func cancel() { loop.execute { [self] in close() } }

  /// Any thread: the reader has taken so many bytes.
  func taken(_ count: Int) {
    let before = unread.subtract(count, ordering: .relaxed).oldValue
    let half = HTTPExchange.maxUnread / 2
    guard before > half, before - count <= half else { return }
    loop.execute { [self] in resume() }
  }

  // MARK: Connecting

  private func connect() {
    guard !isOver else { return }
    end = loop.schedule(after: limits.whole) { [weak self] in
      self?.fail(
        KubernetesFailure(.unreachable, "the API server has not answered in full within \(self!.limits.whole)"))
    }
    connector = SocketConnector.connect(to: request.destination, on: loop, timeout: limits.connect) { [weak self] in
      self?.connected($0)
    }
  }

  private func connected(_ result: Result<Socket, SocketError>) {
    connector = nil
    switch result {
    case .failure(let error): fail(unreachable("\(error)"))
    case .success(let socket):
      guard !isOver else { return socket.close() }
      self.socket = socket
      socket.delegate = self
      listenAnew()
      do throws(TLSError) {
        if let context = request.tls { tls = try TLSSession(context, serverName: request.serverName) }
      } catch {
        return fail(unreachable("\(error)"))
      }
      socket.startReading()
      go()
    }
  }

  private func unreachable(_ why: String) -> KubernetesFailure {
    KubernetesFailure(.unreachable, "the API server \(request.destination) can't be reached: \(why)")
  }

  /// Sends what has to go out now.
  private func go() {
    if !isSent, tls?.isEstablished ?? true {
      isSent = true
      var head = request.head
      head.withUTF8 { bytes in
        let bytes = UnsafeRawBufferPointer(bytes)
        guard let tls else { return socket?.write(bytes) ?? () }
        do throws(TLSError) { try tls.send(bytes) } catch { fail(unreachable("\(error)")) }
      }
    }
    tls?.takeOutgoing { socket?.write($0) }
  }

  // MARK: What comes

  func received(_ bytes: UnsafeRawBufferPointer) {
    listenAnew()
    guard let tls else { return read(bytes) }
    do throws(TLSError) {
      try tls.receive(bytes) { read($0) }
    } catch {
      tls.takeOutgoing { socket?.write($0) }
      return fail(unreachable("\(error)"))
    }
    guard !isOver else { return }
    go()
    if tls.hasReceivedClose { receivedEnd() }
  }

  private func read(_ bytes: UnsafeRawBufferPointer) {
    guard !isOver else { return }
    do throws(KubernetesFailure) {
      try parser.feed(bytes) { tell($0) }
    } catch {
      return fail(error)
    }
    if parser.isDone { close() }
  }

  private func tell(_ event: HTTPResponseParser.Event) {
    continuation.yield(.response(event))
    guard case .body(let bytes) = event else { return }
    let count = unread.add(bytes.count, ordering: .relaxed).newValue
    guard count > HTTPExchange.maxUnread, !isPaused else { return }
    isPaused = true
    silence?.cancel()
    socket?.stopReading()
  }

  private func resume() {
    guard isPaused, !isOver else { return }
    isPaused = false
    listenAnew()
    socket?.startReading()
  }

  /// Silence counts from now on.
  private func listenAnew() {
    silence?.cancel()
    guard !isPaused else { return }
    silence = loop.schedule(after: limits.silence) { [weak self] in
      guard let self else { return }
      fail(KubernetesFailure(.unreachable, "the API server has said nothing for \(limits.silence)"))
    }
  }

  func receivedEnd() {
    guard !isOver else { return }
    guard tls?.isEstablished != false || tls?.hasReceivedClose == true else {
      return fail(unreachable(tls?.endReason ?? "it closed the connection"))
    }
    do throws(KubernetesFailure) {
      try parser.end { tell($0) }
    } catch {
      return fail(error)
    }
    close()
  }

  func writesDrained() {}

  func failed(_ error: SocketError) {
    fail(
      isSent
        ? KubernetesFailure(.cut, "the connection to the API server is lost: \(error)") : unreachable("\(error)"))
  }

  // MARK: The end

  private func fail(_ failure: KubernetesFailure) {
    guard !isOver else { return }
    continuation.yield(.failed(failure))
    close()
  }

  private func close() {
    guard !isOver else { return }
    isOver = true
    continuation.finish()
    silence?.cancel()
    end?.cancel()
    connector?.cancel()
    connector = nil
    tls?.close()
    tls?.takeOutgoing { socket?.write($0) }
    socket?.close()
    socket = nil
  }
}
