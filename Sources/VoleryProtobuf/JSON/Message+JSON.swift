import VoleryTypes

extension Message {
  /// The message as canonical JSON (protobuf.dev, ProtoJSON Format). Unknown fields are left out: JSON has no names for
  /// them. Maps are in the order of their keys.
  ///
  /// - Throws: `MessageTextError` for what JSON can't hold: a Timestamp or Duration out of range, a FieldMask that would
  ///   not read back, an Any of a type that `options.types` does not have.
  public func jsonString(options: JSONEncodingOptions = JSONEncodingOptions()) throws(MessageTextError) -> String {
    String(decoding: try jsonUTF8Bytes(options: options), as: UTF8.self)
  }

  /// The same in UTF-8.
  public func jsonUTF8Bytes(options: JSONEncodingOptions = JSONEncodingOptions()) throws(MessageTextError) -> [UInt8] {
    let schema = Self.schema
    var printer = JSONPrinter(options, schema.file)
    let bytes: [UInt8]
    do throws(ProtobufError) { bytes = try encoded() } catch { throw MessageTextError(error) }
    try bytes.withBytes { bytes throws(MessageTextError) in try printer.message(bytes, schema, depth: 0) }
    return printer.text.bytes
  }

  /// Reads a message from JSON (protobuf.dev, ProtoJSON Format). Takes time and memory in proportion to the text.
  ///
  /// - Throws: `MessageTextError` for what is not JSON or not this message, with the place: unknown members (unless
  ///   `options` say otherwise), members that come twice, two members of a oneof, numbers out of range, levels beyond the
  ///   limit.
  public init(
    jsonString text: String, options: JSONDecodingOptions = JSONDecodingOptions()
  ) throws(MessageTextError) {
    try self.init(jsonUTF8Bytes: Array(text.utf8), options: options)
  }

  /// The same from UTF-8.
  public init(
    jsonUTF8Bytes text: [UInt8], options: JSONDecodingOptions = JSONDecodingOptions()
  ) throws(MessageTextError) {
    let schema = Self.schema
    var wire: [UInt8] = []
    var failure: JSONError?
    text.withUnsafeBufferPointer { text in
      do throws(JSONError) {
        var reader = JSONReader(text, options, schema.file)
        try reader.message(schema, depth: 0)
        try reader.scanner.expectEnd()
        wire = reader.out.bytes
      } catch { failure = error }
    }
    if let failure { throw MessageTextError(failure) }
    do throws(ProtobufError) { try self.init(decoding: wire) } catch { throw MessageTextError(error) }
  }
}
