import VoleryTransport
import VoleryTypes

/// One Watch of a server's health on one connection. On the connection's loop, but for what is marked.
final class HealthWatch: ClientStreamHandler, @unchecked Sendable {  // Isolation: loop
  enum Event: Sendable {
    /// The status's number.
    case status(Int)
    case ended(Status)
    /// The server allows so few streams that none is to be spent on this.
    case noRoom
  }

  /// Where the answer is only advice, servers that allow fewer streams are not asked.
  private static let leastStreams = 10

  private let connection: any ClientConnection
  private let service: String?
  private let authority: String
  /// Nil once nobody wants to hear more.
  private var heard: ((Event) -> Void)?
  private var stream: (any ClientStream)?

  /// - Parameters:
  ///   - service: Nil: the server as a whole, and only for advice.
  ///   - heard: Called on the connection's loop.
  init(
    on connection: any ClientConnection, service: String?, authority: String, heard: @escaping @Sendable (Event) -> Void
  ) {
    self.connection = connection
    self.service = service
    self.authority = authority
    self.heard = heard
  }

  /// Any thread.
  func start() {
    connection.transportLoop.execute { [self] in
      guard heard != nil else { return }
      if service == nil, connection.maxConcurrentStreams < HealthWatch.leastStreams { return finish(.noRoom) }
      var head = ClientRequestHead(
        path: HealthMessages.path, authority: authority, timeout: nil, metadata: Metadata(), contentSubtype: nil,
        maxResponseMessageBytes: 1024)
      head.isBackground = true
      let stream = connection.openStream(head, handler: self)
      self.stream = stream
      stream.send(HealthMessages.request(service: service ?? ""), endsStream: true)
    }
  }

  /// Nothing more is heard of it. Any thread.
  func cancel() {
    connection.transportLoop.execute { [self] in
      heard = nil
      stream.take()?.cancel()
    }
  }

  func initialMetadataReceived(_ metadata: Metadata, messageEncoding: String?) {}

  func messageReceived(_ message: [UInt8], isCompressed: Bool) {
    stream?.consume(message.count + MessageSink.prefixByteCount)
    if !isCompressed, let status = HealthMessages.status(of: message) {
      heard?(.status(status))
    } else {
      stream.take()?.cancel()
      finish(.ended(Status(code: .internal, message: "its answer can't be read")))
    }
  }

  func writable() {}

  func closed(_ outcome: StreamOutcome) {
    stream = nil
    finish(.ended(outcome.status))
  }

  private func finish(_ event: Event) { heard.take()?(event) }
}
