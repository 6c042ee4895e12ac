/// A message as it came, without its prefix.
package struct ReceivedMessage: Sendable {
  package let bytes: [UInt8]
  /// The prefix's flag: `bytes` are compressed as the stream's `grpc-encoding` says.
  package let isCompressed: Bool

  package init(_ bytes: [UInt8], isCompressed: Bool) {
    self.bytes = bytes
    self.isCompressed = isCompressed
  }
}
