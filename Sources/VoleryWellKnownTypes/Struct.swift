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
  public init(arrayLiteral elements: Google_Protobuf_Value...) { self.init(values: elements) }
}

extension Google_Protobuf_Value {
  public static var null: Google_Protobuf_Value { Google_Protobuf_Value(kind: .nullValue(.nullValue)) }

  public init(_ number: Double) { self.init(kind: .numberValue(number)) }
  public init(_ text: String) { self.init(kind: .stringValue(text)) }
  public init(_ isTrue: Bool) { self.init(kind: .boolValue(isTrue)) }
  public init(_ object: Google_Protobuf_Struct) { self.init(kind: .structValue(object)) }
  public init(_ list: Google_Protobuf_ListValue) { self.init(kind: .listValue(list)) }

  public var isNull: Bool { if case .nullValue? = kind { true } else { false } }
  /// Nil when it is something else; so are all of these.
  public var number: Double? { if case .numberValue(let number)? = kind { number } else { nil } }
  public var string: String? { if case .stringValue(let text)? = kind { text } else { nil } }
  public var bool: Bool? { if case .boolValue(let isTrue)? = kind { isTrue } else { nil } }
  public var object: Google_Protobuf_Struct? { if case .structValue(let object)? = kind { object } else { nil } }
  public var list: [Google_Protobuf_Value]? { if case .listValue(let list)? = kind { list.values } else { nil } }
}

extension Google_Protobuf_Value: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  public init(nilLiteral: ()) { self = .null }
  public init(booleanLiteral value: Bool) { self.init(value) }
  public init(integerLiteral value: Int) { self.init(Double(value)) }
  public init(floatLiteral value: Double) { self.init(value) }
  public init(stringLiteral value: String) { self.init(value) }
  public init(arrayLiteral elements: Google_Protobuf_Value...) {
    self.init(Google_Protobuf_ListValue(values: elements))
  }
  public init(dictionaryLiteral elements: (String, Google_Protobuf_Value)...) {
    self.init(Google_Protobuf_Struct(fields: Dictionary(elements) { _, last in last }))
  }
}
