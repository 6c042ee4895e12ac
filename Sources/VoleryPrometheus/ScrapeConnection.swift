import VoleryEventLoops

/// One connection to a metrics port: a request, its answer, the end. What is not over within `limit` is cut off, whoever's fault it is:
/// a head that comes byte by byte, an answer that nobody reads. On its socket's loop.
final class ScrapeConnection {  // Isolation: loop
  /// Of a client that goes on sending: so long its bytes are thrown away, that it gets to read the answer.
  private static let lingering = Duration.milliseconds(500)

  private let socket: Socket
  private let limit: Duration
  private let metrics: @Sendable () -> String
  @exclusivity(unchecked) private var closed: (() -> Void)?
  @exclusivity(unchecked) private var request = ScrapeRequest()
  @exclusivity(unchecked) private var isAnswered = false
  /// More has come than the request's head.
  @exclusivity(unchecked) private var hasRest = false
  @exclusivity(unchecked) private var timer: LoopTimer?

  /// - Parameter closed: Called once.
  init(
    _ socket: Socket, limit: Duration, metrics: @escaping @Sendable () -> String, closed: @escaping () -> Void
  ) {
    self.socket = socket
    self.limit = limit
    self.metrics = metrics
    self.closed = closed
  }

  func start() {
    socket.delegate = self
    timer = socket.loop.schedule(after: limit) { [weak self] in self?.close() }
    socket.startReading()
  }

  func close() {
    timer.take()?.cancel()
    socket.close()
    closed.take()?()
  }

  private func answer(_ answer: ScrapeRequest.Answer) {
    isAnswered = true
    answer.response(metrics).withUnsafeBytes { socket.write($0) }
    if socket.waitingByteCount == 0 { answered() }
  }

  /// A socket that is closed with bytes unread takes back what it has written.
  private func answered() {
    guard hasRest else { return close() }
    timer?.cancel()
    timer = socket.loop.schedule(after: ScrapeConnection.lingering) { [weak self] in self?.close() }
  }
}

extension ScrapeConnection: SocketDelegate {
  func received(_ bytes: UnsafeRawBufferPointer) {
    guard !isAnswered else {
      hasRest = true
      return
    }
    guard let answer = request.add(bytes) else { return }
    hasRest = request.hasRest
    self.answer(answer)
  }

  func receivedEnd() {
    // What has been asked is answered still.
    if !isAnswered || socket.waitingByteCount == 0 { close() }
  }

  func writesDrained() { answered() }

  func failed(_ error: SocketError) { close() }
}
