import VoleryTypes

extension Message {
  /// The message in protobuf's text format, a field a line; for people and logs. Unknown fields are there by their
  /// numbers. Nothing is hidden: what is secret does not belong into a log.
  public var textFormat: String { textFormat(options: TextFormatOptions()) }

  /// The same, with a choice. What could be no message's bytes any more (a message that is over 2 GiB, or nested deeper
  /// than the limit) is the error's text as a comment.
  public func textFormat(options: TextFormatOptions) -> String {
    let schema = Self.schema
    var printer = TextFormatPrinter(options, schema.file)
    do throws(ProtobufError) {
      let bytes = try encoded(options: EncodeOptions(allowsPartial: true))
      try bytes.withBytes { bytes throws(ProtobufError) in try printer.fields(bytes, schema, depth: 0) }
    } catch {
      return "# \(error)\n"
    }
    return String(decoding: printer.text.bytes, as: UTF8.self)
  }

  /// Reads a message from text format (protobuf.dev, Text Format Language Specification).
  ///
  /// - Throws: `MessageTextError` for what is not text format or not this message, with the place: unknown fields, fields
  ///   that come twice, two members of a oneof, values that the field's type can't hold, levels beyond the limit.
  public init(
    textFormat text: String, options: TextFormatDecodingOptions = TextFormatDecodingOptions()
  ) throws(MessageTextError) {
    let schema = Self.schema
    var wire: [UInt8] = []
    try Array(text.utf8).withBytes { bytes throws(MessageTextError) in
      var reader = TextFormatReader(UnsafeBufferPointer(bytes), options, schema.file)
      try reader.fields(schema, until: nil, depth: 0)
      wire = reader.out.bytes
    }
    do throws(ProtobufError) { try self.init(decoding: wire) } catch { throw MessageTextError(error) }
  }

  /// The text format.
  public var description: String { textFormat }
}

extension [UInt8] {
  /// `withUnsafeBytes` for typed errors.
  func withBytes<Failure: Error>(_ body: (UnsafeRawBufferPointer) throws(Failure) -> Void) throws(Failure) {
    var failure: Failure?
    withUnsafeBytes { bytes in
      do throws(Failure) { try body(bytes) } catch { failure = error }
    }
    if let failure { throw failure }
  }
}
