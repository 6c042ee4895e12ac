import Testing
import VoleryTypes

@Suite("Values of gRPC") struct TypesTests {
  @Test(
    "a timeout is written in at most 8 digits, rounded up, and read back",
    arguments: [
      (Duration.zero, "1n"), (.seconds(-1), "1n"), (.nanoseconds(1), "1n"), (.milliseconds(1), "1000000n"),
      (.milliseconds(100), "100000u"), (.seconds(20), "20000000u"), (.seconds(100), "100000m"),
      (.nanoseconds(99_999_999), "99999999n"), (.nanoseconds(100_000_001), "100001u"), (.seconds(100_000), "100000S"),
      (.seconds(10_000_000_000), "166666667M"),
    ] as [(Duration, String)])
  func timeoutText(_ timeout: Duration, _ text: String) throws {
    let written = Timeout.text(timeout)
    #expect(written.utf8.count <= 9)
    let bytes = Array(written.utf8)
    let read = try #require(bytes.withUnsafeBytes { Timeout.parse($0) })
    #expect(read >= timeout)
    if timeout > .zero, timeout < .seconds(1000) { #expect(read - timeout <= timeout / 1000 + .nanoseconds(1)) }
  }

  @Test("malformed timeouts are refused", arguments: ["", "1", "S", "-1S", "1.5S", "123456789S", "1 S", "1s", "１S"])
  func badTimeouts(_ text: String) {
    let bytes = Array(text.utf8)
    #expect(bytes.withUnsafeBytes { Timeout.parse($0) } == nil)
  }

  @Test("metadata keeps order and folds keys") func metadata() {
    var metadata: Metadata = ["X-One": "1", "two": "2"]
    metadata.append("3", for: "x-one")
    metadata.append(binary: [0, 255], for: "raw-bin")
    #expect(metadata["x-one"] == "1")
    #expect(metadata.values("X-ONE") == ["1", "3"])
    #expect(metadata[binary: "raw-bin"] == [0, 255])
    #expect(metadata.map(\.key) == ["x-one", "two", "x-one", "raw-bin"])
    metadata["x-one"] = "4"
    #expect(metadata.values("x-one") == ["4"])
    metadata["two"] = nil
    #expect(metadata.count == 2)
    #expect(metadata.violation == nil)
  }

  @Test("metadata that can't travel says which key", arguments: ["bad key", "grpc-mine", "ümlaut", ""])
  func badKeys(_ key: String) {
    var metadata = Metadata()
    metadata.append("v", for: key)
    #expect(metadata.violation?.contains("'\(key)'") == true)
  }

  @Test("text metadata has to be printable ASCII") func badValues() {
    let metadata: Metadata = ["key": "a\nb"]
    #expect(metadata.violation?.contains("-bin") == true)
  }

  @Test("metadata's description has no values") func noSecrets() {
    let metadata: Metadata = ["authorization": "secret"]
    #expect(!"\(metadata)".contains("secret"))
  }

  @Test(
    "JSON is read strictly",
    arguments: [
      "", "{", "[1,]", "{\"a\":1,}", "01", "1.", "nul", "\"a", "\"\\x\"", "\"\u{1}\"", "1 2", "{a:1}", "[1 2]",
      "\"\\ud800\"",
      String(repeating: "[", count: 100_000),
    ])
  func badJSON(_ text: String) {
    #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
  }

  @Test("JSON values are what they say") func json() throws {
    let value = try JSONValue(parsing: " {\"a\": [1, -2.5e3, true, null, \"\\u00fc\\ud83d\\ude00\\n\"]} ")
    #expect(value["a"] == .array([.number("1"), .number("-2.5e3"), .bool(true), .null, .string("ü😀\n")]))
  }

  @Test("a service config finds the method, the service, then the default") func methodMatching() throws {
    let config = try ServiceConfig(
      json: """
        {"loadBalancingConfig": [{"unknown": {}}, {"round_robin": {}}],
         "methodConfig": [
           {"name": [{}], "timeout": "1s"},
           {"name": [{"service": "a.B"}], "timeout": "2.5s", "waitForReady": true},
           {"name": [{"service": "a.B", "method": "C"}], "maxRequestMessageBytes": 7,
            "retryPolicy": {"maxAttempts": 9, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
                            "retryableStatusCodes": ["UNAVAILABLE", 8]}}],
         "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.12345}}
        """)
    let method = { (service: String, name: String) in
      config[MethodDescriptor(service: service, name: name, kind: .unary)]
    }
    #expect(method("x.Y", "Z")?.timeout == .seconds(1))
    #expect(method("a.B", "Z")?.timeout == .milliseconds(2500))
    #expect(method("a.B", "Z")?.waitForReady == true)
    #expect(method("a.B", "C")?.maxRequestMessageBytes == 7)
    #expect(method("a.B", "C")?.timeout == nil)
    #expect(method("a.B", "C")?.retryPolicy?.maxAttempts == 5)
    #expect(method("a.B", "C")?.retryPolicy?.retryableCodes == [.unavailable, .resourceExhausted])
    #expect(config.loadBalancing.map(\.name) == ["unknown", "round_robin"])
    #expect(config.retryThrottling?.tokenRatio == 0.123)
  }

  @Test(
    "a service config that makes no sense says where",
    arguments: [
      ("[]", "service config"),
      ("{\"methodConfig\": 1}", "methodConfig"),
      ("{\"methodConfig\": [{\"name\": [{\"method\": \"M\"}]}]}", "method"),
      ("{\"methodConfig\": [{\"name\": [{}]}, {\"name\": [{}]}]}", "twice"),
      ("{\"methodConfig\": [{\"name\": [{}], \"timeout\": \"-1s\"}]}", "timeout"),
      ("{\"methodConfig\": [{\"name\": [{}], \"retryPolicy\": {\"maxAttempts\": 1}}]}", "maxAttempts"),
      ("{\"retryThrottling\": {\"maxTokens\": 0, \"tokenRatio\": 1}}", "maxTokens"),
      ("{\"loadBalancingConfig\": [{\"a\": {}, \"b\": {}}]}", "loadBalancingConfig[0]"),
    ])
  func badServiceConfigs(_ text: String, _ place: String) {
    let error = #expect(throws: ServiceConfigError.self) { try ServiceConfig(json: text) }
    #expect(error?.description.contains(place) == true, "\(String(describing: error))")
  }
}
