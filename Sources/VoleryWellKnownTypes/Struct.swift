import VoleryProtobuf

// JSON's values can be written as literals: `let settings: Google_Protobuf_Struct = ["retries": 3, "hosts": ["a", "b"]]`.

extension Google_Protobuf_Struct: ExpressibleByDictionaryLiteral {
  /// Of names that come twice the last one counts.
  public init(dictionaryLiteral elements: (String, Google_Protobuf_Value)...) {
    self.init(fields: Dictionary(elements) { _, last in last })
  }

  /// The member of this name; nil when there is none. Setting nil removes it.
  public subscript(name: String) -> Google_Protobuf_Value? {
    get { fields[name] }
    set { fields[name] = newValue }
  }
}

extension Google_Protobuf_ListValue: ExpressibleByArrayLiteral {
  /// A list of these values in their order.
  public init(arrayLiteral elements: Google_Protobuf_Value...) { self.init(values: elements) }
}

extension Google_Protobuf_Value {
  /// JSON's `null`: a value that says that there is none, unlike a value whose `kind` is not set.
  public static var null: Google_Protobuf_Value { Google_Protobuf_Value(kind: .nullValue(.nullValue)) }

  /// A number; JSON can't write one that is not finite.
  public init(_ number: Double) { self.init(kind: .numberValue(number)) }
  /// A string.
  public init(_ text: String) { self.init(kind: .stringValue(text)) }
  /// `true` or `false`.
  public init(_ isTrue: Bool) { self.init(kind: .boolValue(isTrue)) }
  /// A JSON object.
  public init(_ object: Google_Protobuf_Struct) { self.init(kind: .structValue(object)) }
  /// A JSON array.
  public init(_ list: Google_Protobuf_ListValue) { self.init(kind: .listValue(list)) }

  /// True for JSON's `null`; false for any other value, and where `kind` is not set.
  public var isNull: Bool { if case .nullValue? = kind { true } else { false } }
  /// Nil when it is something else; so are all of these.
  public var number: Double? { if case .numberValue(let number)? = kind { number } else { nil } }
  /// The text of a string, else nil.
  public var string: String? { if case .stringValue(let text)? = kind { text } else { nil } }
  /// What a boolean says, else nil.
  public var bool: Bool? { if case .boolValue(let isTrue)? = kind { isTrue } else { nil } }
  /// The members of an object, else nil.
  public var object: Google_Protobuf_Struct? { if case .structValue(let object)? = kind { object } else { nil } }
  /// The elements of an array, else nil.
  public var list: [Google_Protobuf_Value]? { if case .listValue(let list)? = kind { list.values } else { nil } }
}

extension Google_Protobuf_Value: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  /// `nil` is JSON's `null`.
  public init(nilLiteral: ()) { self = .null }
  /// `true` and `false` are JSON's.
  public init(booleanLiteral value: Bool) { self.init(value) }
  /// A number: as JSON has only one kind, what is over 2^53 is rounded.
  public init(integerLiteral value: Int) { self.init(Double(value)) }
  /// A number.
  public init(floatLiteral value: Double) { self.init(value) }
  /// A string.
  public init(stringLiteral value: String) { self.init(value) }
  /// An array of these values: `["a", 1, nil]`.
  public init(arrayLiteral elements: Google_Protobuf_Value...) {
    self.init(Google_Protobuf_ListValue(values: elements))
  }
  /// An object with these members: `["retries": 3]`; of names that come twice the last one counts.
  public init(dictionaryLiteral elements: (String, Google_Protobuf_Value)...) {
    self.init(Google_Protobuf_Struct(fields: Dictionary(elements) { _, last in last }))
  }
}
