import Synchronization

/// Hears what happens: to the calls of a channel and each of their attempts, to its connections, subchannels and resolver, and
/// to a server, its connections and calls. Metrics, traces, channelz and access logs are made of it, outside of the core.
///
///     final class FailureCount: Observer, CallObserver {
///       let failures = Atomic<Int>(0)
///       func callStarted(_ call: ObservedCall) -> (any CallObserver)? { self }
///       func ended(_ end: CallEnd) {
///         if end.code != .ok { failures.add(1, ordering: .relaxed) }
///       }
///     }
///     var options = ChannelOptions()
///     options.observers = [FailureCount()]
///
/// An observer only looks; what is to be changed or answered is an interceptor's. The one exception is an attempt's metadata,
/// in which a trace's context travels (`CallObserver.attemptStarted`).
///
/// The rules:
/// - Everything is told where it happens: on event loops as a rule, and on callers' threads. An observer must not block there
///   and should do little; what takes longer, it hands on. A slow one slows the calls of its own loop, and a server's watchdog
///   names it in the log (`ServerOptions.stallThreshold`).
/// - Of one call, one attempt, one connection things are told one after another. Different ones come at the same time, from any
///   thread.
/// - Whoever has been told of a beginning is told of its end, exactly once. A call that ends while attempts are under way (its
///   deadline, a cancel, hedges that lose) is told as ended before they are. An observer that has none of its own for a call
///   or an attempt (nil) hears no more of it.
/// - Each member has a default that does nothing.
/// - What a peer has sent (texts, addresses, metadata) is passed on as it came: it may be of any content.
public protocol Observer: AnyObject, Sendable {
  /// A channel's call begins, before its first attempt. Who hears of what becomes of it; it may be the observer itself.
  func callStarted(_ call: ObservedCall) -> (any CallObserver)?

  /// A call has come to a server, before its handler; also one that is refused, or whose method the server has not.
  func callStarted(_ call: ObservedServerCall) -> (any ServerCallObserver)?

  /// A connection of a channel or server is open, and can be asked how it stands. Told behind `ChannelEvent.connected` and
  /// `ServerEvent.connectionOpened`, where they are.
  func opened(_ connection: ConnectionGauge)

  /// Told in the channel's control plane.
  func happened(_ event: ChannelEvent, to channel: ObservedChannel)

  /// Told on whichever thread it happens, one at a time, of the channels to this target (`dns:///orders` would be its form). For those
  /// who make the resolver: `XDSResolverFactory` has observers of its own.
  func happened(_ event: ControlPlaneEvent, of target: String)

  /// Told on whichever thread it happens.
  func happened(_ event: ServerEvent, to server: ObservedServer)
}

extension Observer {
  /// Hears no more of the call.
  public func callStarted(_ call: ObservedCall) -> (any CallObserver)? { nil }
  /// Hears no more of the call.
  public func callStarted(_ call: ObservedServerCall) -> (any ServerCallObserver)? { nil }
  /// Does nothing.
  public func opened(_ connection: ConnectionGauge) {}
  /// Does nothing.
  public func happened(_ event: ChannelEvent, to channel: ObservedChannel) {}
  /// Does nothing.
  public func happened(_ event: ControlPlaneEvent, of target: String) {}
  /// Does nothing.
  public func happened(_ event: ServerEvent, to server: ObservedServer) {}
}

/// A message on its way through a call's stream.
public struct ObservedMessage: Sendable {
  /// Its place among the messages of its direction, from 0.
  public let index: Int
  /// The message's bytes as they travel: compressed where they are, without gRPC's prefix and HTTP/2's frames.
  public let byteCount: Int
  /// Whether the compressed flag of its prefix is set.
  public let isCompressed: Bool
  /// The message's bytes before it was compressed, or as they will be; `byteCount` of one that is not. Nil of a compressed one where
  /// nobody asked for it (`hearsUncompressedSizes`), or where it can't be said: it is damaged, say. What a peer's gzip claims is taken
  /// as it is, before anybody has inflated it.
  @inlinable public var uncompressedByteCount: Int? { knownByteCount < 0 ? nil : knownByteCount }
  /// Below 0: not known. Four words are what a function returns without memory.
  @usableFromInline var knownByteCount: Int

  @inlinable package init(index: Int, byteCount: Int, isCompressed: Bool) {
    self.index = index
    self.byteCount = byteCount
    self.isCompressed = isCompressed
    knownByteCount = isCompressed ? -1 : byteCount
  }

  /// The same, with what it is when it is not compressed.
  @inlinable package func uncompressed(_ byteCount: Int?) -> ObservedMessage {
    var message = self
    message.knownByteCount = byteCount ?? -1
    return message
  }
}

/// What those have in common who hear of a stream's messages: of an attempt's, or of a server's call's.
public protocol MessageObserver: AnyObject, Sendable {
  /// Whether it wants to know of compressed messages what they are uncompressed (`ObservedMessage.uncompressedByteCount`). Asked for
  /// each compressed one; with gzip it costs next to nothing, with deflate each message is inflated once more. False by default.
  var hearsUncompressedSizes: Bool { get }
}

extension MessageObserver {
  /// False.
  public var hearsUncompressedSizes: Bool { false }
}

/// Messages and their bytes of one direction of a stream, counted as in `ObservedMessage`.
public struct MessageCount: Hashable, Sendable {
  /// How many messages, from 0.
  public let messages: Int
  /// Their bytes together, as they travel.
  public let bytes: Int

  @inlinable package init(messages: Int = 0, bytes: Int = 0) {
    self.messages = messages
    self.bytes = bytes
  }

  /// Counts a message.
  @inlinable package mutating func add(byteCount: Int, isCompressed: Bool) -> ObservedMessage {
    defer { self = MessageCount(messages: messages + 1, bytes: bytes + byteCount) }
    return ObservedMessage(index: messages, byteCount: byteCount, isCompressed: isCompressed)
  }
}

/// Numbers for all that observers are told of, from 1, in the process: one row for channels, subchannels, connections and servers, so
/// that a number says which of them is meant (channelz has one row, too).
package enum ObservedID {
  private static let last = Atomic<Int>(0)

  package static func next() -> Int { last.add(1, ordering: .relaxed).newValue }
}
