/// A message as an interceptor sees it: as bytes (without the gRPC prefix, not compressed) or as a value of the method's type,
/// whichever it asks for. What it puts in its place travels on instead.
public struct InterceptedMessage: Sendable {
  private enum Content {
    case bytes([UInt8])
    case value(any Sendable)
  }

  private let codec: any MessageCodec
  private var content: Content

  package init(bytes: [UInt8], _ codec: any MessageCodec) {
    self.codec = codec
    content = .bytes(bytes)
  }

  package init(value: any Sendable, _ codec: any MessageCodec) {
    self.codec = codec
    content = .value(value)
  }

  /// The message's bytes; setting them replaces it.
  ///
  /// - Throws: What the message's serializer throws.
  public func bytes() throws -> [UInt8] {
    switch content {
    case .bytes(let bytes): bytes
    case .value(let value): try codec.encode(value)
    }
  }

  /// Puts another message in its place: its bytes in the method's format, without the gRPC prefix and not compressed. Bytes
  /// that the receiver can't read fail the call there, with INTERNAL.
  public mutating func replace(withBytes bytes: [UInt8]) { content = .bytes(bytes) }

  /// The message as a value; nil when the method's messages are of another type.
  ///
  /// - Throws: What the message's serializer throws.
  public func value<Message: Sendable>(as type: Message.Type = Message.self) throws -> Message? {
    switch content {
    case .bytes(let bytes): try codec.decode(bytes) as? Message
    case .value(let value): value as? Message
    }
  }

  /// Puts another message of the method's own type in its place.
  ///
  /// - Throws: `StatusError` INTERNAL when the method's messages are of another type.
  public mutating func replace(with message: some Sendable) throws(StatusError) {
    guard codec.accepts(message) else {
      throw StatusError(.internal, "an interceptor put a \(type(of: message)) where a \(codec.typeName) belongs")
    }
    content = .value(message)
  }
}

/// Bytes to values and back, for one direction of a method.
package protocol MessageCodec: Sendable {
  var typeName: String { get }
  func accepts(_ value: any Sendable) -> Bool
  func encode(_ value: any Sendable) throws -> [UInt8]
  func decode(_ bytes: [UInt8]) throws -> any Sendable
}

/// Those of a method, made once with it: what an interceptor says of messages finds their types here.
package struct MethodCodecs: Sendable {
  package let request: any MessageCodec
  package let response: any MessageCodec
}

extension Serializer: MessageCodec {
  package var typeName: String { "\(Message.self)" }

  package func accepts(_ value: any Sendable) -> Bool { value is Message }

  package func encode(_ value: any Sendable) throws -> [UInt8] {
    guard let message = value as? Message else {
      throw StatusError(.internal, "a \(type(of: value)) is no \(Message.self)")
    }
    var sink = MessageSink()
    try serialize(message, &sink)
    return Array(sink.finish().joined.dropFirst(MessageSink.prefixByteCount))
  }

  package func decode(_ bytes: [UInt8]) throws -> any Sendable { try deserialize(bytes) }
}

/// The end of a call's messages of one direction, and whom interceptors want to be told of it: each once, at once where it has come
/// before.
package struct MessagesEnd: Sendable {
  package typealias Hook = @Sendable () -> Void

  private var hooks: [Hook] = []
  private var hasCome = false

  package init() {}

  /// Returns whether it is to be called now.
  package mutating func add(_ hook: @escaping Hook) -> Bool {
    if !hasCome { hooks.append(hook) }
    return hasCome
  }

  /// The messages have ended. Returns whom to call; nobody when that is said again.
  package mutating func come() -> [Hook] {
    hasCome = true
    defer { hooks = [] }
    return hooks
  }
}

/// What interceptors do to a call's messages, one direction: in the order in which a message comes to them.
package struct MessageHooks: Sendable {
  package typealias Hook = @Sendable (inout InterceptedMessage) throws -> Void

  private struct Entry {
    let hook: Hook
    /// Whose it is; nil where that is not known.
    let interceptor: Any.Type?
  }

  private var entries: [Entry] = []

  package init() {}

  package var isEmpty: Bool { entries.isEmpty }

  /// The last one that a message comes to.
  package mutating func append(_ hook: @escaping Hook, of interceptor: Any.Type? = nil) {
    entries.append(Entry(hook: hook, interceptor: interceptor))
  }

  /// The first one.
  package mutating func prepend(_ hook: @escaping Hook, of interceptor: Any.Type? = nil) {
    entries.insert(Entry(hook: hook, interceptor: interceptor), at: 0)
  }

  /// - Throws: What a hook throws; where it is known whose it is, as `Interception.failure` says it.
  package func apply(to message: inout InterceptedMessage) throws {
    for entry in entries {
      do {
        try entry.hook(&message)
      } catch {
        guard let interceptor = entry.interceptor else { throw error }
        throw Interception.failure(error, by: interceptor)
      }
    }
  }
}
