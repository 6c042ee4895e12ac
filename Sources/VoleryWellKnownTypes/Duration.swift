import VoleryProtobuf

extension Google_Protobuf_Duration {
  /// The same length of time; what is less than a nanosecond is cut off towards zero.
  public init(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    self.init(seconds: seconds, nanos: Int32(attoseconds / 1_000_000_000))
  }

  /// The same length of time as Swift's own type.
  public var duration: Duration { .seconds(seconds) + .nanoseconds(Int64(nanos)) }

  /// Whether it is within about 10,000 years and its parts do not differ in sign, as JSON and all peers expect.
  public var isValid: Bool { TimeText(seconds: seconds, nanos: nanos).duration != nil }
}

extension Duration {
  /// The same length of time as Swift's own type; exact, whether or not the message is valid.
  public init(_ duration: Google_Protobuf_Duration) { self = duration.duration }
}
