public import VoleryProtobuf
public import VoleryTypes
public import VoleryWellKnownTypes

#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

extension Message {
  /// Reads a message of protobuf's binary format. Throws where the bytes are not one, where they go beyond a limit of the
  /// options, and where a `required` field is missing.
  public init(decoding data: Data, options: DecodeOptions = DecodeOptions()) throws(ProtobufError) {
    let result = data.withUnsafeBytes { bytes -> Result<Self, ProtobufError> in
      do throws(ProtobufError) { return .success(try Self(decoding: bytes, options: options)) } catch {
        return .failure(error)
      }
    }
    self = try result.get()
  }

  /// The message in protobuf's binary format: `encoded` as `Data`. Throws where a `required` field is not set, and where the
  /// bytes would be more than 2 GiB.
  public func encodedData(options: EncodeOptions = EncodeOptions()) throws(ProtobufError) -> Data {
    Data(try encoded(options: options))
  }

  /// Reads a message from protobuf's canonical JSON in UTF-8, as `init(jsonUTF8Bytes:)` does.
  ///
  /// - Throws: `MessageTextError` for what is not JSON or not this message, with the place.
  public init(
    jsonData data: Data, options: JSONDecodingOptions = JSONDecodingOptions()
  ) throws(MessageTextError) {
    try self.init(jsonUTF8Bytes: Array(data), options: options)
  }

  /// The message as protobuf's canonical JSON in UTF-8: `jsonUTF8Bytes` as `Data`.
  ///
  /// - Throws: `MessageTextError` for what JSON can't hold, and where a `required` field is not set.
  public func jsonData(options: JSONEncodingOptions = JSONEncodingOptions()) throws(MessageTextError) -> Data {
    Data(try jsonUTF8Bytes(options: options))
  }
}

/// A call with raw bytes, `Method<Data, Data>`, without a .proto.
extension Data: WireMessage {
  /// A copy of the bytes; any bytes are a message.
  public init(wireBytes: UnsafeRawBufferPointer) { self = Data(wireBytes) }
  /// A copy of the bytes.
  public init(wireArray: [UInt8]) { self = Data(wireArray) }
  /// Writes a copy of the bytes.
  public func serialize(into sink: inout MessageSink) {
    sink.write(byteCount: count) { buffer in withUnsafeBytes { buffer.copyMemory(from: $0) } }
  }
}

extension Google_Protobuf_BytesValue {
  /// A wrapper around these bytes: set, even where there are none.
  public init(_ data: Data) { self.init(value: Array(data)) }

  /// The bytes that are wrapped.
  public var data: Data { Data(value) }
}
