/// What a `StatusPage` keeps at most, so that nobody else decides on its memory.
public struct StatusOptions: Hashable, Sendable {
  /// Channels that are shown. 50.
  public var maxChannels = 50
  /// Servers that are shown. 50.
  public var maxServers = 50
  /// Endpoints of a channel that are shown by themselves; all others are one. 200.
  public var maxEndpoints = 200
  /// Methods of a server that are shown by themselves; all others are `other`. 200.
  public var maxMethods = 200
  /// Unicode scalars of a text that somebody else has chosen (an error, a target, an address); the rest is cut off. 200.
  public var maxText = 200

  /// The defaults.
  public init() {}
}
