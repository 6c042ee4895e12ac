import Testing
import VoleryTypes

/// What a service config may bring from outside, DNS or a file: every number of it, at its ends and beyond.
@Suite("Numbers in a service config") struct ConfigNumberTests {
  /// A place for one value, and a config around it that is good otherwise.
  struct Field: Sendable, CustomTestStringConvertible {
    let name: String
    let before: String
    let after: String

    init(_ name: String, _ before: String, _ after: String) {
      self.name = name
      self.before = before
      self.after = after
    }

    var testDescription: String { name }

    func config(_ value: String) -> String { before + value + after }

    private static let method = #"{"methodConfig": [{"name": [{}], "#
    private static let retry = #""retryPolicy": {"retryableStatusCodes": ["UNAVAILABLE"]"#

    private static func retry(besides own: String) -> String {
      let all = [
        "maxAttempts": "3", "initialBackoff": #""0.1s""#, "maxBackoff": #""1s""#, "backoffMultiplier": "2",
      ]
      let others = all.filter { $0.key != own }.map { #", "\#($0.key)": \#($0.value)"# }.joined()
      return "\(method)\(retry)\(others), \"\(own)\": "
    }

    static let durations = [
      Field("timeout", #"\#(method)"timeout": "#, "}]}"),
      Field("initialBackoff", retry(besides: "initialBackoff"), "}}]}"),
      Field("maxBackoff", retry(besides: "maxBackoff"), "}}]}"),
      Field("hedgingDelay", #"\#(method)"hedgingPolicy": {"maxAttempts": 2, "hedgingDelay": "#, "}}]}"),
    ]
    static let counts = [
      Field("maxRequestMessageBytes", #"\#(method)"maxRequestMessageBytes": "#, "}]}"),
      Field("maxResponseMessageBytes", #"\#(method)"maxResponseMessageBytes": "#, "}]}"),
      Field("maxAttempts", retry(besides: "maxAttempts"), "}}]}"),
      Field("hedgingPolicy.maxAttempts", #"\#(method)"hedgingPolicy": {"maxAttempts": "#, "}}]}"),
      Field("maxConnectionsPerSubchannel", #"{"connectionScaling": {"maxConnectionsPerSubchannel": "#, "}}"),
    ]
    static let multiplier = Field("backoffMultiplier", retry(besides: "backoffMultiplier"), "}}]}")
    static let maxTokens = Field("maxTokens", #"{"retryThrottling": {"tokenRatio": 0.1, "maxTokens": "#, "}}")
    static let tokenRatio = Field("tokenRatio", #"{"retryThrottling": {"maxTokens": 10, "tokenRatio": "#, "}}")
    static let numbers = [multiplier, maxTokens, tokenRatio]
  }

  private static let anything = MethodDescriptor(service: "a", name: "b", kind: .unary)

  private func refuse(_ field: Field, _ value: String) {
    let error = #expect(throws: ServiceConfigError.self, "\(value)") { try ServiceConfig(json: field.config(value)) }
    let name = field.name.split(separator: ".").last!
    #expect(error?.description.contains(name) ?? true, "\(error!)")
  }

  @Test("a duration is digits and up to nine decimals, and no more than 10,000 years", arguments: Field.durations)
  func durations(_ field: Field) throws {
    let bad = [
      "1.+5s", "1.-5s", "+1s", "-1s", "1s ", " 1s", "1.s", ".5s", "1..5s", "1.0000000001s", "1", "s", "", "1e3s", "٣s",
      "315576000001s", "315576000000.000000001s", "9223372036854775807s", "99999999999999999999999s", "infs", "nans",
    ]
    for text in bad { refuse(field, "\"\(text)\"") }
    for value in ["1", "true", "[]", "{}"] { refuse(field, value) }
    for text in ["315576000000s", "315576000000.000000000s", "0.000000001s", "1.5s", "007.250s"] {
      _ = try ServiceConfig(json: field.config("\"\(text)\""))
    }
  }

  @Test("a count is a whole number of 32 bits, or one in quotes", arguments: Field.counts)
  func counts(_ field: Field) throws {
    let bad = [
      "-1", "1.5", "4294967296", "9223372036854775808", "1e300", "1e400", "\"+5\"", "\"0x10\"", "\" 5\"", "\"5 \"",
      "\"\"",
      "\"nan\"", "\"5.5\"", "\"[5]\"", "true", "[]", "{}", "\"four\"",
    ]
    for value in bad { refuse(field, value) }
    for value in ["2", "\"2\"", "2.0", "2e0", "\"2e0\"", "4294967295"] {
      _ = try ServiceConfig(json: field.config(value))
    }
  }

  @Test("a number is finite, above 0, and no string", arguments: Field.numbers) func numbers(_ field: Field) throws {
    for value in ["0", "-1", "1e400", "-1e400", "\"1\"", "\"nan\"", "true", "[]"] { refuse(field, value) }
    _ = try ServiceConfig(json: field.config("1.5"))
  }

  @Test("what is far too much counts as the most that makes sense") func most() throws {
    for value in ["1e30", "1e308", "1001"] {
      let config = try ServiceConfig(json: Field.multiplier.config(value))
      #expect(config[Self.anything]?.retryPolicy?.backoffMultiplier == 1000)
    }
    #expect(try ServiceConfig(json: Field.tokenRatio.config("1e308")).retryThrottling?.tokenRatio == 1000)
    refuse(Field.tokenRatio, "0.0009")
    refuse(Field.maxTokens, "1000.5")
    for field in Field.counts where field.name.hasSuffix("maxAttempts") {
      let method = try ServiceConfig(json: field.config("4294967295"))[Self.anything]
      #expect(method?.retryPolicy?.maxAttempts ?? method?.hedgingPolicy?.maxAttempts == 5)
    }
  }

  @Test("scaling a duration never overflows") func scaling() {
    let year = Duration.seconds(31_557_600)
    let longest = ConfigReader.longestDuration
    #expect(Duration.seconds(2).scaled(by: 1.5, upTo: year) == .seconds(3))
    #expect(Duration.seconds(2).scaled(by: 1e308, upTo: year) == year)
    #expect(longest.scaled(by: .infinity, upTo: longest) == longest)
    #expect(longest.scaled(by: 1.6, upTo: .seconds(1)) == .seconds(1))
    for factor in [-Double.infinity, -1, 0, .nan] {
      #expect(Duration.seconds(2).scaled(by: factor, upTo: year) == .zero)
    }
    #expect(Duration.nanoseconds(1).scaled(by: .leastNonzeroMagnitude, upTo: year) == .zero)
  }

  @Test("an escape of JSON has four hexadecimal digits", arguments: ["+041", "-000", " 041", "0x41", "004", "00g1"])
  func escapes(_ digits: String) {
    #expect(throws: JSONError.self) { try JSONValue(parsing: "\"\\u\(digits)\"") }
  }
}
