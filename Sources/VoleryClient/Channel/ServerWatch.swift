import VoleryTransport
import VoleryTypes

/// One stream that the channel itself has opened on a connection, to hear what its server says by itself: its health, its load. On
/// the connection's loop, but for what is marked.
final class ServerWatch: ClientStreamHandler, @unchecked Sendable {  // Isolation: loop
  enum Event: Sendable {
    case message([UInt8])
    case ended(Status)
    /// The server allows so few streams that none is to be spent on this.
    case noRoom
  }

  /// What the server is asked, once.
  struct Question: Sendable {
    let path: String
    let authority: String
    let message: MessageFrame
    let maxAnswerBytes: Int
    /// Calls need their streams more than the channel needs the answer.
    let isOnlyAdvice: Bool
  }

  /// Where the answer is only advice, servers that allow fewer streams are not asked.
  private static let leastStreams = 10

  private let connection: any ClientConnection
  private let question: Question
  /// Nil once nobody wants to hear more.
  private var heard: ((Event) -> Void)?
  private var stream: (any ClientStream)?

  /// - Parameter heard: Called on the connection's loop.
  init(on connection: any ClientConnection, _ question: Question, heard: @escaping @Sendable (Event) -> Void) {
    self.connection = connection
    self.question = question
    self.heard = heard
  }

  /// Any thread.
  func start() {
    connection.transportLoop.execute { [self] in
      guard heard != nil else { return }
      if question.isOnlyAdvice, connection.maxConcurrentStreams < ServerWatch.leastStreams { return finish(.noRoom) }
      var head = ClientRequestHead(
        path: question.path, authority: question.authority, timeout: nil, metadata: Metadata(), contentSubtype: nil,
        maxResponseMessageBytes: question.maxAnswerBytes)
      head.isBackground = true
      let stream = connection.openStream(head, handler: self)
      self.stream = stream
      stream.send(question.message, endsStream: true)
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
    if !isCompressed { return heard?(.message(message)) ?? () }
    stream.take()?.cancel()
    finish(.ended(ServerWatch.unreadable))
  }

  /// How a watch ends whose answers are not what they should be.
  static let unreadable = Status(code: .internal, message: "its answer can't be read")

  func writable() {}

  func closed(_ outcome: StreamOutcome) {
    stream = nil
    finish(.ended(outcome.status))
  }

  private func finish(_ event: Event) { heard.take()?(event) }
}
