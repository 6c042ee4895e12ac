import Synchronization
import TestSupport
import Testing
import Volery
import VoleryProxy
import VoleryTypes

/// Faults that a channel's config selector wants calls to have (gRFC A33): the same for the calls that a proxy forwards.
@Suite("Faults of forwarded calls", .timeLimit(.minutes(1))) struct ForwardedFaultTests {
  enum Caller: CaseIterable { case channel, proxy }

  /// What a call's own metadata say is to go wrong with it.
  private final class Faults: ConfigSelector {
    let wanted = Atomic<Int>(0)
    let over = Atomic<Int>(0)

    func configuration(of call: ConfigSelectorRequest) throws(StatusError) -> CallConfiguration {
      var chosen = CallConfiguration()
      let delay = Duration.milliseconds(Int(call.metadata["x-delay"] ?? "0") ?? 0)
      let failure = call.metadata["x-fail"].map { StatusError(.resourceExhausted, $0) }
      if delay > .zero || failure != nil {
        wanted.add(1, ordering: .relaxed)
        chosen.injectedFault = InjectedFault(delay: delay, failure: failure) { [weak self] in
          self?.over.add(1, ordering: .relaxed)
        }
      }
      return chosen
    }
  }

  private static func call(_ channel: Channel, _ metadata: Metadata, _ timeout: Duration) async -> (StatusCode, String)
  {
    do {
      let options = CallOptions(metadata: metadata, timeout: timeout)
      return (
        .ok, String(decoding: try await channel.unary(Echo.unary, [0x61], options: options).message, as: UTF8.self)
      )
    } catch { return (error.code, error.status.message) }
  }

  @Test(
    "a call ends, waits, or ends after a wait as is wanted, its own deadline holds, and each fault is over once",
    arguments: Caller.allCases)
  func faults(_ caller: Caller) async throws {
    let server = Server(services: [Echo()])
    let bound = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let selector = Faults()
    let resolver = ManualResolver(scheme: "faulty")
    var resolution = Resolution(endpoints: [Endpoint(bound)])
    resolution.attributes.configSelector = selector
    resolver.publish(.resolved(resolution))
    var options = ChannelOptions()
    options.resolvers.register(resolver)
    let stage = caller == .channel ? nil : try Stage(to: "faulty:///orders") { $0.channel = options }
    let channel = try stage.map { try Channel($0.target) } ?? Channel("faulty:///orders", options: options)
    defer { channel.close() }

    let limit = Duration.seconds(20)
    #expect(await Self.call(channel, [:], limit) == (.ok, "a"))
    let failed = await Self.call(channel, ["x-fail": "as wanted"], limit)
    #expect(failed.0 == .resourceExhausted && failed.1.contains(caller == .channel ? "as wanted" : "the proxy"), "\(failed)")
    let start = ContinuousClock.now
    #expect(await Self.call(channel, ["x-delay": "100"], limit) == (.ok, "a"))
    #expect(start.duration(to: .now) >= .milliseconds(100))
    let late = await Self.call(channel, ["x-delay": "100", "x-fail": "late"], limit)
    #expect(late.0 == .resourceExhausted && late.1.contains(caller == .channel ? "late" : "the proxy"), "\(late)")
    #expect(start.duration(to: .now) >= .milliseconds(200))
    #expect(await Self.call(channel, ["x-delay": "60000"], .milliseconds(200)).0 == .deadlineExceeded)
    #expect(selector.wanted.load(ordering: .relaxed) == 4)
    try await eventually("each is over") { selector.over.load(ordering: .relaxed) == 4 }
    if let stage { await stage.proxy.drain(limit: .seconds(5)) }
  }
}
