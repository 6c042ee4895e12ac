package import VoleryHTTP2Session
import VoleryTransport
import VoleryTypes

/// What both sides' streams do with received bytes (cut messages, and account for flow control), and with frames to send.
package class ReceivingStream: HTTP2Stream {  // Isolation: loop
  /// Alive as long as the stream is not closed: it abandons its streams first.
  private let connectionReference: Unmanaged<HTTP2Connection>
  @exclusivity(unchecked) private var deframer: MessageDeframer
  private let windowByteCount: Int
  /// Bytes of an unfinished large message whose credit was given back before somebody took the message.
  @exclusivity(unchecked) private var advanced = 0
  /// While the peer is slowed down: the message that is under way has got room.
  @exclusivity(unchecked) private(set) var isLetThrough = false
  /// What becomes of what comes.
  private enum Reception {
    case messages
    /// Passed on as it comes.
    case bytes
    /// Nobody wants it.
    case nothing
  }

  @exclusivity(unchecked) private var reception = Reception.messages
  /// The deframer is at work further up.
  @exclusivity(unchecked) private var isDeframing = false

  init(connection: HTTP2Connection, maxMessageBytes: Int, windowByteCount: UInt32) {
    connectionReference = Unmanaged.passUnretained(connection)
    self.deframer = MessageDeframer(limit: maxMessageBytes)
    self.windowByteCount = Int(windowByteCount)
    super.init()
  }

  /// `renew`, with another limit of messages.
  final func renew(maxMessageBytes: Int) {
    deframer = MessageDeframer(limit: maxMessageBytes)
    advanced = 0
    isLetThrough = false
    reception = .messages
    super.renew()
  }

  var connection: HTTP2Connection { connectionReference.takeUnretainedValue() }

  /// Nobody counts a reference to it.
  @inline(__always)
  final func withConnection<Result>(_ body: (HTTP2Connection) -> Result) -> Result {
    connectionReference._withUnsafeGuaranteedRef(body)
  }

  /// The same as the connection's, which nobody counts a reference to.
  @inline(__always)
  final func setNeedsFlush() { connectionReference._withUnsafeGuaranteedRef { $0.setNeedsFlush() } }

  /// Queues a message, piece by piece.
  func sendBody(_ frame: MessageFrame) {
    sendBody(frame.head)
    for piece in frame.pieces { sendBody(piece) }
  }

  func messageReceived(_ message: [UInt8], isCompressed: Bool) {}
  func refused(_ failure: MessageDeframer.Failure) {}
  /// Instead of messages, after `passBytes`; valid during the call.
  func bytesReceived(_ bytes: UnsafeRawBufferPointer) {}

  /// The connection, or all of them, have too much waiting, and this stream has most of it.
  func refusedForMemory(_ reason: String) {}

  /// Whether the stream may end here: not within a message.
  var isAtMessageBoundary: Bool { deframer.isAtBoundary }

  package override func dataReceived(_ bytes: UnsafeRawBufferPointer) {
    guard reception == .messages else { return receivedElse(bytes) }
    noteReceived(bytes.count)
    isDeframing = true
    do throws(MessageDeframer.Failure) {
      try deframer.receive(bytes) { message, isCompressed in
        isLetThrough = false
        messageReceived(message, isCompressed: isCompressed)
      }
      isDeframing = false
    } catch {
      isDeframing = false
      return refused(error)
    }
    if reception == .nothing { return deframer.discard() }
    advance()
  }

  private func receivedElse(_ bytes: UnsafeRawBufferPointer) {
    guard reception == .bytes else { return super.consume(bytes.count) }
    noteReceived(bytes.count)
    bytesReceived(bytes)
  }

  /// From here on no messages are cut: what comes is handed over as bytes.
  func handOverBytes() { reception = .bytes }

  /// A message that does not fit into half a window would never be completed if its bytes waited for a reader: the message
  /// limit bounds them instead. Where too much waits, the connection says whose turn it is.
  private func advance() {
    let incomplete = deframer.incompleteByteCount(ofMessagesFrom: windowByteCount / 2)
    guard incomplete > advanced, connection.buffers.pacing.phase == .open else { return }
    super.consume(incomplete - advanced)
    advanced = incomplete
  }

  package override func consume(_ byteCount: Int) {
    guard !isClosed else { return }
    noteTaken(byteCount)
    // Nothing more comes: credit is of no use.
    guard !hasPeerEnded else { return setNeedsFlush() }
    let paid = min(advanced, byteCount)
    advanced -= paid
    if paid > 0 {
      // What has come of the next message had to wait for that, and nothing more may come before it has its credit.
      advance()
      setNeedsFlush()
    }
    guard byteCount > paid else { return }
    super.consume(byteCount - paid)
    setNeedsFlush()
  }

  /// Lets go of what has come, and of what will: the call is over on this side. Credit is given back as it comes, so that
  /// a peer that has to finish its message before it listens gets there.
  func discardReceived() {
    reception = .nothing
    if !isDeframing { deframer.discard() }
    noteTaken(.max)
  }

  // MARK: While the peer is slowed down

  /// What is left to come of the message that is under way.
  var missingByteCount: Int { deframer.missingByteCount }

  /// Gives room for all of the message that is under way.
  func letMessageThrough() {
    isLetThrough = true
    let room = missingByteCount - receiveWindow
    guard room > 0 else { return }
    advanced += room
    extendWindow(by: room)
  }

  /// Sends what is worth it for the window as it is now.
  func giveCreditBack() { super.consume(0) }
}
