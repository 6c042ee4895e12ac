import Testing
import Volery

/// gRFC A21: what a resolver's service config does to a channel that has one, has none, or had one.
@Suite("Service configs of a resolver", .timeLimit(.minutes(1))) struct ServiceConfigUpdateTests {
  /// A server, a resolver that leads to it, and a channel.
  private struct Setup {
    let server = Server(services: [RawEcho()])
    let resolver = ManualResolver(scheme: "registry")
    let endpoint: Endpoint
    let channel: Channel

    init(_ config: ServiceConfig = ServiceConfig()) throws {
      endpoint = Endpoint(try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0])
      var options = ChannelOptions()
      options.serviceConfig = config
      options.resolvers.register(resolver)
      channel = try Channel("registry:///orders", options: options)
    }

    func publish(_ json: String?) {
      resolver.publish(.resolved(Resolution(endpoints: [endpoint], serviceConfigJSON: json)))
    }

    /// Calls until a call ends so: what was published takes a moment.
    func expect(_ code: StatusCode, _ method: Method<[UInt8], [UInt8]> = RawEcho.unary) async throws {
      while true {
        do throws(StatusError) {
          _ = try await channel.unary(method, [1], options: CallOptions(timeout: .seconds(10)))
          if code == .ok { return }
        } catch {
          if error.code == code { return }
          guard error.code == .unavailable else { throw error }
        }
      }
    }

    /// Every one of some calls ends so.
    func expectAlways(_ code: StatusCode, _ method: Method<[UInt8], [UInt8]> = RawEcho.unary) async {
      for _ in 0..<20 {
        do throws(StatusError) {
          _ = try await channel.unary(method, [1], options: CallOptions(timeout: .seconds(10)))
          #expect(code == .ok)
        } catch {
          #expect(error.code == code, "\(error)")
        }
      }
    }
  }

  private static let impatient =
    #"{"methodConfig":[{"name":[{"service":"test.Raw","method":"Hang"}],"timeout":"0.05s"}]}"#
  private static let bad = [
    "{", "[]", #"{"loadBalancingConfig":[{"nobody_knows":{}}]}"#, #"{"methodConfig":[{"name":7}]}"#,
  ]

  @Test("a bad one at the start fails calls, until there is a good one, or none", arguments: bad)
  func badAtFirst(_ json: String) async throws {
    let setup = try Setup()
    defer { setup.server.shutDown() }
    setup.publish(json)
    let error = await #expect(throws: StatusError.self) {
      try await setup.channel.unary(RawEcho.unary, [1], options: CallOptions(timeout: .seconds(10)))
    }
    #expect(error?.code == .unavailable)
    #expect(error?.message.contains("service config is refused") == true)
    setup.publish(nil)
    try await setup.expect(.ok)
  }

  @Test("a bad one later changes nothing, whether there was a good one or none", arguments: bad)
  func badLater(_ json: String) async throws {
    let setup = try Setup()
    defer { setup.server.shutDown() }
    setup.publish(nil)
    try await setup.expect(.ok)
    setup.publish(json)
    await setup.expectAlways(.ok)
    setup.publish(Self.impatient)
    try await setup.expect(.deadlineExceeded, RawEcho.hang)
    setup.publish(json)
    await setup.expectAlways(.ok)
    try await setup.expect(.deadlineExceeded, RawEcho.hang)
  }

  @Test("a bad one at the start leaves the program's own in force", arguments: bad)
  func programsOwn(_ json: String) async throws {
    let setup = try Setup(try ServiceConfig(json: Self.impatient))
    defer { setup.server.shutDown() }
    setup.publish(json)
    await setup.expectAlways(.ok)
    try await setup.expect(.deadlineExceeded, RawEcho.hang)
  }
}
