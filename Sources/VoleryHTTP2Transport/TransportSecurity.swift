package import VoleryPlatform
package import VoleryTypes

/// Turns bytes of the wire into bytes of HTTP/2 and back: TLS, or nothing. Belongs to its connection's loop.
package protocol TransportSecurity: AnyObject {
  /// Takes bytes from the socket; `output` gets plain bytes. Throws when the peer broke the rules: the connection ends,
  /// once `giveOutgoing` has given what is left to say.
  func receive(_ bytes: UnsafeRawBufferPointer, _ output: (UnsafeRawBufferPointer) -> Void) throws
  /// Takes plain bytes that have to go out, in pieces.
  func send(_ pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>) throws
  /// Whether something has to be written to the socket.
  var hasOutgoing: Bool { get }
  /// Gives what has to be written to the socket; `body` returns how much of it is taken, and the rest waits.
  func giveOutgoing(_ body: (UnsafeRawBufferPointer) -> Int)
  /// Has buffers for that from there from now on; its loop is the caller's.
  func borrows(from lender: LentBuffer)
  /// Whether plain bytes may flow: the handshake is over.
  var isEstablished: Bool { get }
  /// Who the peer is; nil until the handshake is over.
  var connectionSecurity: ConnectionSecurity? { get }
  /// What this end has shown, in DER; nil where it has shown none.
  var localCertificate: [UInt8]? { get }
  /// The peer has said goodbye.
  var hasReceivedClose: Bool { get }
  /// What it means that the peer's bytes end now.
  var endReason: String { get }
  /// Whether the peer may be called by this name (gRFC A81).
  func peerHasName(_ name: String) -> Bool
  /// Says goodbye (close_notify); `giveOutgoing` has it.
  func close()
}
