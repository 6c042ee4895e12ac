import Testing
import VoleryLoadBalancing
import VoleryTypes

@Suite("Sessions by cookie (gRFC A55)") struct StickySessionPolicyTests {
  private func makeChannel(_ json: String = #"{"childPolicy": [{"round_robin": {}}]}"#) throws -> FakeChannel {
    try FakeChannel("sticky_session", configuration: try JSONValue(parsing: json))
  }

  private func cookie(_ port: Int, name: String = "session") -> Metadata {
    ["cookie": "a=b; \(name)=\(SessionCookie.value(for: .tcp("10.0.0.1", port))); session2=x"]
  }

  private func ports(_ channel: FakeChannel, _ metadata: Metadata = Metadata()) -> Set<Int?> {
    Set((0..<9).map { _ in channel.pickPort(metadata) })
  }

  @Test("a call goes to the server of its cookie while that is ready, else where the child wants") func ready() throws {
    let channel = try makeChannel()
    channel.update([1, 2, 3])
    channel.makeReady([1, 3])
    #expect(ports(channel, cookie(3)) == [3] && ports(channel) == [1, 3])
    #expect(ports(channel, cookie(2)) == [1, 3], "not yet ready")
    channel.makeReady([2])
    #expect(ports(channel, cookie(2)) == [2])
    channel.change(channel.id(2), .transientFailure, error: StatusError(.unavailable, "no"))
    #expect(ports(channel, cookie(2)) == [1, 3])
    channel.update([1])
    #expect(ports(channel, cookie(3)) == [1], "gone from the list")
    channel.change(channel.id(1), .transientFailure, error: StatusError(.unavailable, "no"))
    guard case .fail = channel.pick() else { return #expect(Bool(false)) }
  }

  @Test("an ejected server keeps no session") func ejected() throws {
    let channel = try makeChannel()
    channel.update([1, 2, 3])
    channel.makeReady([1, 2, 3])
    let subchannel = try #require(channel.subchannels[channel.id(2)])
    for _ in 0..<5 {
      subchannel.callStarted()
      subchannel.callEnded(code: .unavailable, origin: .peer)
    }
    #expect(ports(channel, cookie(2)) == [1, 3])
  }

  @Test("one with weight 0 gets no new sessions and keeps its own") func emptied() throws {
    let channel = try makeChannel()
    let endpoints = (1...3).map { port in
      var endpoint = Endpoint(.tcp("10.0.0.1", port))
      endpoint.attributes.weight = port == 2 ? 0 : 1
      return endpoint
    }
    channel.run { _ = $0.update(endpoints, &$1) }
    channel.makeReady([1, 2, 3])
    #expect(ports(channel) == [1, 3] && ports(channel, cookie(2)) == [2])
  }

  @Test("a cookie with another name is none, and one that is no server's is none") func others() throws {
    let channel = try makeChannel(#"{"cookie": "shop", "childPolicy": [{"round_robin": {}}]}"#)
    channel.update([1, 2])
    channel.makeReady([1, 2])
    #expect(ports(channel, cookie(2)) == [1, 2] && ports(channel, cookie(2, name: "shop")) == [2])
    for text in ["shop=", "shop", "=", ";;;", "shop=x", "shop=\"", String(repeating: "shop=x;", count: 1000)] {
      #expect(ports(channel, ["cookie": text]) == [1, 2], "\(text.prefix(20))")
    }
    var several: Metadata = ["cookie": "a=b"]
    several.append("c=d;shop=\"\(SessionCookie.value(for: .tcp("10.0.0.1", 1)))\"", for: "cookie")
    #expect(ports(channel, several) == [1])
  }

  @Test("the value is the address in base64, as others have it") func value() {
    #expect(SessionCookie.value(for: .tcp("10.0.0.1", 8080)) == "MTAuMC4wLjE6ODA4MA==")
  }

  @Test(
    "a name that is none is refused", arguments: ["", "a b", "a=b", "a;b", "ä", String(repeating: "a", count: 129)])
  func names(_ name: String) throws {
    #expect(throws: PolicyConfigurationError.self) {
      _ = try FakeChannel("sticky_session", configuration: .object(["cookie": .string(name)]))
    }
  }
}
