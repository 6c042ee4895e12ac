package import VoleryHTTP2Session
import VoleryTransport
import VoleryTypes

/// What both sides' streams do with received bytes (cut messages, and account for flow control), and with frames to send.
package class ReceivingStream: HTTP2Stream {
  /// Alive as long as the stream is not closed: it abandons its streams first.
  unowned(unsafe) let connection: HTTP2Connection
  @exclusivity(unchecked) var deframer: MessageDeframer
  private let windowByteCount: Int
  /// Bytes of an unfinished large message whose credit was given back before somebody took the message.
  @exclusivity(unchecked) private var advanced = 0

  init(connection: HTTP2Connection, maxMessageBytes: Int, windowByteCount: UInt32) {
    self.connection = connection
    self.deframer = MessageDeframer(limit: maxMessageBytes)
    self.windowByteCount = Int(windowByteCount)
    super.init()
  }

  /// Queues a message, piece by piece.
  func sendBody(_ frame: MessageFrame) {
    sendBody(frame.head)
    for piece in frame.pieces { sendBody(piece) }
  }

  func messageReceived(_ message: [UInt8], isCompressed: Bool) {}
  func refused(_ failure: MessageDeframer.Failure) {}

  package override func dataReceived(_ bytes: UnsafeRawBufferPointer) {
    do throws(MessageDeframer.Failure) {
      try deframer.receive(bytes) { messageReceived($0, isCompressed: $1) }
    } catch {
      return refused(error)
    }
    // A message that does not fit into half a window would never be completed if its bytes waited for a reader: the
    // message limit bounds them instead.
    let incomplete = deframer.incompleteByteCount(ofMessagesFrom: windowByteCount / 2)
    if incomplete > advanced {
      super.consume(incomplete - advanced)
      advanced = incomplete
    }
  }

  package override func consume(_ byteCount: Int) {
    guard !isClosed else { return }
    let paid = min(advanced, byteCount)
    advanced -= paid
    guard byteCount > paid else { return }
    super.consume(byteCount - paid)
    connection.setNeedsFlush()
  }
}
