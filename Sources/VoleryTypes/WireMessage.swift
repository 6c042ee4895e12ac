/// A type that can travel as a gRPC message. Generated protobuf messages conform, `[UInt8]` conforms (a call with raw
/// bytes), and a type of your own may.
///
///     extension Point: WireMessage {
///       static var contentSubtype: String? { "json" }
///       init(wireBytes: UnsafeRawBufferPointer) throws { self = try decode(wireBytes) }
///       func serialize(into sink: inout MessageSink) throws { sink.write(try encode(self)) }
///     }
///
/// Both functions are called once a message, on the task that makes or handles the call. Bytes that can't be read: throw;
/// the call ends with INTERNAL and the error's text.
public protocol WireMessage: Sendable {
  /// What follows `application/grpc+` in the content-type; nil for plain `application/grpc`.
  static var contentSubtype: String? { get }

  /// Reads a message; the bytes are valid during the call only.
  init(wireBytes: UnsafeRawBufferPointer) throws

  /// Reads a message from an array that may be kept. Calls `init(wireBytes:)` by default.
  init(wireArray: [UInt8]) throws

  /// Writes the message.
  func serialize(into sink: inout MessageSink) throws
}

extension WireMessage {
  /// Nil: plain `application/grpc`.
  @inlinable public static var contentSubtype: String? { nil }

  /// Reads the array's bytes with `init(wireBytes:)`, and throws what that throws.
  @inlinable public init(wireArray: [UInt8]) throws {
    self = try wireArray.withUnsafeBytes { try Self(wireBytes: $0) }
  }
}

extension [UInt8]: WireMessage {
  /// A copy of the bytes; any bytes are a message.
  public init(wireBytes: UnsafeRawBufferPointer) { self = Array(wireBytes) }
  /// The array itself, not copied.
  public init(wireArray: [UInt8]) { self = wireArray }
  /// Writes the bytes; 32 KiB and more are not copied on their way to the socket.
  public func serialize(into sink: inout MessageSink) { sink.write(self) }
}
