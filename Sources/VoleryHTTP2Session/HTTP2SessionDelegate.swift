/// What happens to a connection as a whole.
package protocol HTTP2SessionDelegate: AnyObject {
  /// A peer opens a stream (server only); nil refuses it.
  func streamOpened() -> HTTP2Stream?
  /// Whether a field of this name may have any bytes as its value, those that HTTP forbids too.
  func acceptsAnyValue(of name: UnsafeRawBufferPointer) -> Bool
  func settingsReceived()
  /// The peer keeps to all SETTINGS that were submitted.
  func settingsAcknowledged()
  func pingReceived(_ opaque: UInt64, isAnswer: Bool)
  func goAwayReceived(_ code: HTTP2ErrorCode, lastStreamID: Int32, debugData: String)
}
