package import VoleryEventLoops
package import VoleryHTTP2Session
package import VoleryTypes

/// Turns bytes of the wire into bytes of HTTP/2 and back: TLS, or nothing. Belongs to its connection's loop.
package protocol ByteFilter: AnyObject {
  /// Takes bytes from the socket; `output` gets plain bytes. Throws when the peer broke the rules: the connection ends.
  func receive(_ bytes: UnsafeRawBufferPointer, _ output: (UnsafeRawBufferPointer) -> Void) throws
  /// Takes plain bytes that have to go out.
  func send(_ bytes: UnsafeRawBufferPointer)
  /// Gives what has to be written to the socket now.
  func takeOutgoing(_ body: (UnsafeRawBufferPointer) -> Void)
  /// Whether plain bytes may flow: the handshake is over.
  var isEstablished: Bool { get }
  /// Says goodbye (close_notify); `takeOutgoing` has it.
  func close()
}

/// A socket with an HTTP/2 session on it, one end of a gRPC connection: what both sides have in common. Everything runs
/// on the connection's loop; a turn reads, feeds the session, runs the calls that this woke, and writes once.
package class HTTP2Connection: SocketDelegate, TurnFlushing, HTTP2SessionDelegate {
  package let loop: EventLoop
  package let peer: Peer
  let socket: Socket
  @exclusivity(unchecked) private(set) var session: HTTP2Session!
  private let filter: (any ByteFilter)?
  @exclusivity(unchecked) package var isMarkedDirty = false
  @exclusivity(unchecked) private(set) var isOver = false
  /// Why the connection ends, once everything that waits is written.
  @exclusivity(unchecked) private var endReason: String?
  @exclusivity(unchecked) private var isEnding = false

  /// The most bytes that are pulled before the kernel has taken them.
  private static let writeLimit = 256 << 10

  init(socket: Socket, role: HTTP2Session.Role, settings: HTTP2Settings, filter: (any ByteFilter)?) {
    self.loop = socket.loop
    self.socket = socket
    self.filter = filter
    let remote = socket.remoteAddress.map(SocketAddress.init) ?? .unix("")
    self.peer = Peer(address: remote, localAddress: socket.localAddress.map(SocketAddress.init))
    session = HTTP2Session(role: role, settings: settings, delegate: self)
  }

  func start() {
    socket.delegate = self
    socket.startReading()
    setNeedsFlush()
  }

  // MARK: Hooks for the two sides

  package func streamOpened() -> HTTP2Stream? { nil }
  package func settingsReceived() {}
  package func pingReceived(_ opaque: UInt64, isAnswer: Bool) {}
  package func goAwayReceived(_ code: HTTP2ErrorCode, lastStreamID: Int32, debugData: String) {}
  /// The connection is closed; `error` nil where it had ended as it should.
  func ended(error: String?) {}
  /// Bytes came in, whatever they say.
  func bytesReceived() {}
  func turnEnded() {}

  // MARK: Reading

  package func received(_ bytes: UnsafeRawBufferPointer) {
    guard !isEnding else { return }
    bytesReceived()
    do {
      if let filter {
        try filter.receive(bytes) { plain in feed(plain) }
      } else {
        feed(bytes)
      }
    } catch {
      end("\(error)")
    }
    setNeedsFlush()
  }

  private func feed(_ bytes: UnsafeRawBufferPointer) {
    do throws(HTTP2Failure) {
      try session.feed(bytes)
    } catch {
      session.terminate(.protocolError)
      end(error.description)
    }
  }

  package func receivedEnd() {
    end("the peer closed the connection")
    flush()
  }

  package func failed(_ error: SocketError) { finish(error.description) }

  // MARK: Writing

  /// Sees to it that what the session has to say is written at the end of this turn.
  func setNeedsFlush() { loop.afterTurn(self) }

  package func flush() {
    guard !isOver else { return }
    var hasMore = true
    while hasMore, socket.waitingByteCount == 0, !socket.isClosed {
      hasMore = pull()
    }
    turnEnded()
    guard socket.waitingByteCount == 0 else { return }
    if isEnding {
      finish(endReason)
    } else if session.isFinished {
      finish(nil)
    }
  }

  private func pull() -> Bool {
    guard let filter else { return session.pull(limit: HTTP2Connection.writeLimit) { socket.write([$0]) } }
    var hasMore = false
    if filter.isEstablished { hasMore = session.pull(limit: HTTP2Connection.writeLimit) { filter.send($0) } }
    filter.takeOutgoing { socket.write([$0]) }
    return hasMore
  }

  package func writesDrained() { setNeedsFlush() }

  // MARK: Ending

  /// Ends the connection once what it has to say (a GOAWAY) is written.
  func end(_ reason: String?) {
    guard !isEnding else { return }
    isEnding = true
    endReason = reason
    socket.stopReading()
    setNeedsFlush()
  }

  /// Ends the connection now.
  func finish(_ reason: String?) {
    guard !isOver else { return }
    isOver = true
    if let filter, filter.isEstablished {
      filter.close()
      filter.takeOutgoing { socket.write([$0]) }
    }
    socket.close()
    for stream in session.streams {
      (stream as? any ConnectionBoundStream)?.connectionLost(reason ?? "the connection was closed")
    }
    ended(error: reason)
  }
}

/// A stream that has to hear of its connection's end.
protocol ConnectionBoundStream: HTTP2Stream {
  func connectionLost(_ reason: String)
}

extension SocketAddress {
  package init(_ destination: SocketDestination) {
    switch destination {
    case .tcp(let host, let port): self = .tcp(host, port)
    case .unix(let path): self = .unix(path)
    case .unixAbstract(let name): self = .unixAbstract(name)
    }
  }
}

extension SocketDestination {
  /// Nil for addresses that are no sockets.
  init?(_ address: SocketAddress) {
    switch address {
    case .tcp(let host, let port): self = .tcp(host: host, port: port)
    case .unix(let path): self = .unix(path: path)
    case .unixAbstract(let name): self = .unixAbstract(name: name)
    case .inProcess: return nil
    }
  }
}
