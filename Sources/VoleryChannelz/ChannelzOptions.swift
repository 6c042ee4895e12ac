/// How much a `Channelz` remembers and answers. What is kept is bounded by these alone, whatever comes and goes.
public struct ChannelzOptions: Sendable {
  /// Events that are kept of each channel, subchannel and server, the last ones; each has a text of 200 characters at most. 0 to
  /// 1000: none, or so many. 32.
  public var maxTraceEvents = 32
  /// Channels that are kept at once; further ones are not shown. 1000.
  public var maxChannels = 1000
  /// Subchannels that are kept at once, of all channels; further ones are not shown, and their calls are counted in their channels
  /// only. 10,000.
  public var maxSubchannels = 10_000
  /// Servers that are kept at once; further ones are not shown. 1000.
  public var maxServers = 1000
  /// Connections, and sockets that are listened on, that are kept at once; further ones are not shown, and their calls are counted in
  /// their servers and subchannels only. 10,000.
  public var maxSockets = 10_000
  /// Results of a page where the client asks for more, or does not say how many. At least 1. 100.
  public var maxPageSize = 100

  /// Of the defaults.
  public init() {}
}
