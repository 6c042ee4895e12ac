import VoleryProtobuf

// Wrappers can be written as the values that they wrap: `order.discount = 0.5`.

extension Google_Protobuf_DoubleValue: ExpressibleByFloatLiteral {
  /// A wrapper around this number: set, even where it is the default value.
  public init(_ value: Double) { self.init(value: value) }
  /// The number as a wrapper: `0.5`.
  public init(floatLiteral value: Double) { self.init(value: value) }
}

extension Google_Protobuf_FloatValue: ExpressibleByFloatLiteral {
  /// A wrapper around this number: set, even where it is the default value.
  public init(_ value: Float) { self.init(value: value) }
  /// The number as a wrapper: `0.5`.
  public init(floatLiteral value: Float) { self.init(value: value) }
}

extension Google_Protobuf_Int64Value: ExpressibleByIntegerLiteral {
  /// A wrapper around this number: set, even where it is the default value.
  public init(_ value: Int64) { self.init(value: value) }
  /// The number as a wrapper: `3`.
  public init(integerLiteral value: Int64) { self.init(value: value) }
}

extension Google_Protobuf_UInt64Value: ExpressibleByIntegerLiteral {
  /// A wrapper around this number: set, even where it is the default value.
  public init(_ value: UInt64) { self.init(value: value) }
  /// The number as a wrapper: `3`.
  public init(integerLiteral value: UInt64) { self.init(value: value) }
}

extension Google_Protobuf_Int32Value: ExpressibleByIntegerLiteral {
  /// A wrapper around this number: set, even where it is the default value.
  public init(_ value: Int32) { self.init(value: value) }
  /// The number as a wrapper: `3`.
  public init(integerLiteral value: Int32) { self.init(value: value) }
}

extension Google_Protobuf_UInt32Value: ExpressibleByIntegerLiteral {
  /// A wrapper around this number: set, even where it is the default value.
  public init(_ value: UInt32) { self.init(value: value) }
  /// The number as a wrapper: `3`.
  public init(integerLiteral value: UInt32) { self.init(value: value) }
}

extension Google_Protobuf_BoolValue: ExpressibleByBooleanLiteral {
  /// A wrapper around this truth value: set, even where it is the default value.
  public init(_ value: Bool) { self.init(value: value) }
  /// `true` or `false` as a wrapper.
  public init(booleanLiteral value: Bool) { self.init(value: value) }
}

extension Google_Protobuf_StringValue: ExpressibleByStringLiteral {
  /// A wrapper around this text: set, even where it is the default value.
  public init(_ value: String) { self.init(value: value) }
  /// The text as a wrapper: `"a"`.
  public init(stringLiteral value: String) { self.init(value: value) }
}

extension Google_Protobuf_BytesValue: ExpressibleByArrayLiteral {
  /// A wrapper around these bytes: set, even where it is the default value.
  public init(_ value: [UInt8]) { self.init(value: value) }
  /// The bytes as a wrapper: `[1, 2]`.
  public init(arrayLiteral elements: UInt8...) { self.init(value: elements) }
}
