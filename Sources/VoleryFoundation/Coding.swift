public import VoleryProtobuf
import VoleryTypes

/// `extension Order: Codable {}` in the module of the generated code is all: a message is coded as protobuf's canonical JSON,
/// as an object of its own among those of other types, by every encoder and decoder.
///
/// Options are in the coder's `userInfo`, under `.jsonEncodingOptions` and `.jsonDecodingOptions`; without them members that the
/// message does not have are errors.
extension Message where Self: Encodable {
  /// Writes the message as protobuf's JSON.
  ///
  /// - Throws: `EncodingError` for what JSON can't hold, and where a `required` field is not set.
  public func encode(to encoder: any Encoder) throws { try CodedMessage.encode(self, to: encoder) }
}

/// See `Message.encode(to:)`.
extension Message where Self: Decodable {
  /// Reads the message from protobuf's JSON.
  ///
  /// - Throws: `DecodingError.dataCorrupted` for what is not this message.
  public init(from decoder: any Decoder) throws { self = try CodedMessage.decode(from: decoder) }
}

/// A message in a type of your own that is Codable, where the message's type itself is not:
///
///     struct Cart: Codable {
///       @ProtoJSON var order: Order
///       var gifts: [ProtoJSON<Item>]
///     }
///
/// It is coded as a message that is Codable is: as protobuf's canonical JSON.
@propertyWrapper public struct ProtoJSON<Value: Message>: Codable, Hashable, Sendable {
  /// The message.
  public var wrappedValue: Value

  /// Any message.
  public init(wrappedValue: Value) { self.wrappedValue = wrappedValue }

  /// The same without the name.
  public init(_ message: Value) { wrappedValue = message }

  /// Reads a message from protobuf's JSON.
  ///
  /// - Throws: `DecodingError.dataCorrupted` for what is not this message.
  public init(from decoder: any Decoder) throws { wrappedValue = try CodedMessage.decode(from: decoder) }

  /// Writes the message as protobuf's JSON.
  ///
  /// - Throws: `EncodingError` for what JSON can't hold, and where a `required` field is not set.
  public func encode(to encoder: any Encoder) throws { try CodedMessage.encode(wrappedValue, to: encoder) }
}

extension CodingUserInfoKey {
  /// `JSONEncodingOptions` for the messages that an encoder writes.
  public static let jsonEncodingOptions = CodingUserInfoKey(rawValue: "VoleryFoundation.JSONEncodingOptions")!
  /// `JSONDecodingOptions` for the messages that a decoder reads.
  public static let jsonDecodingOptions = CodingUserInfoKey(rawValue: "VoleryFoundation.JSONDecodingOptions")!
}

/// From messages to coders and back.
enum CodedMessage {
  static func encode(_ message: some Message, to encoder: any Encoder) throws {
    let options = encoder.userInfo[.jsonEncodingOptions] as? JSONEncodingOptions ?? JSONEncodingOptions()
    let value: JSONValue
    do {
      // What the printer writes is not deeper than what it can be given.
      value = try JSONValue(parsing: message.jsonString(options: options), maxDepth: CodedValue.maxDepth)
    } catch {
      throw EncodingError.invalidValue(
        message,
        EncodingError.Context(codingPath: encoder.codingPath, debugDescription: "\(error)", underlyingError: error))
    }
    try CodedValue(value).encode(to: encoder)
  }

  static func decode<M: Message>(from decoder: any Decoder) throws -> M {
    let options = decoder.userInfo[.jsonDecodingOptions] as? JSONDecodingOptions ?? JSONDecodingOptions()
    let text = try CodedValue(from: decoder).value.text
    do throws(MessageTextError) { return try M(jsonString: text, options: options) } catch {
      throw DecodingError.dataCorrupted(
        DecodingError.Context(codingPath: decoder.codingPath, debugDescription: "\(error)", underlyingError: error))
    }
  }
}
