import Synchronization
import Volery

/// Servers in two zones, a client in one of them, and a policy of its own that keeps calls in the zone. Prints which zone has
/// answered how many calls: all is well; the zone's servers are slow; they are gone; they are back.
@main struct ZoneDemo {
  static let method = Method<[UInt8], [UInt8]>(service: "demo.Zone", name: "WhichZone", kind: .unary)

  final class Answering: Service {
    let zone: String
    private let delay = Mutex(Duration.milliseconds(1))

    init(zone: String) { self.zone = zone }

    var handlers: [MethodHandler] {
      [
        .unary(ZoneDemo.method) { [self] _, _ in
          try await Task.sleep(for: delay.withLock { $0 })
          return Array(zone.utf8)
        }
      ]
    }

    func setDelay(_ new: Duration) { delay.withLock { $0 = new } }
  }

  static func main() async throws {
    let services = ["a", "a", "b", "b"].map { Answering(zone: $0) }
    let servers = services.map { Server(services: [$0]) }
    let endpoints = try zip(services, servers).map { service, server in
      var endpoint = Endpoint(try server.start(listeningOn: .tcp("127.0.0.1", 0))[0])
      endpoint.attributes.zone = service.zone
      return endpoint
    }
    let registry = ManualResolver(scheme: "registry")
    registry.publish(.resolved(Resolution(endpoints: endpoints)))

    var options = ChannelOptions()
    options.resolvers.register(registry)
    options.loadBalancingPolicies.register(ZonePolicyFactory())
    options.serviceConfig = try ServiceConfig(
      json: "{\"loadBalancingConfig\": [{\"zone\": {\"zone\": \"a\", \"spillAbove\": 4}}]}")
    let channel = try Channel("registry:///zones", options: options)
    try await channel.waitUntilReady(.after(.seconds(10)))

    // The first connections to be ready may be the other zone's.
    while try await zone(of: channel) != "a" {}
    print("all is well:", try await call(channel, count: 400, atOnce: 4))
    for service in services where service.zone == "a" { service.setDelay(.milliseconds(100)) }
    print("zone a is slow:", try await call(channel, count: 400, atOnce: 40))
    registry.publish(.resolved(Resolution(endpoints: endpoints.filter { $0.attributes.zone != "a" })))
    while try await zone(of: channel) != "b" {}
    print("zone a is gone:", try await call(channel, count: 400, atOnce: 4))
    for service in services { service.setDelay(.milliseconds(1)) }
    registry.publish(.resolved(Resolution(endpoints: endpoints)))
    while try await zone(of: channel) != "a" {}
    print("zone a is back:", try await call(channel, count: 400, atOnce: 4))
    for server in servers { server.shutDown() }
  }

  private static func zone(of channel: Channel) async throws -> String {
    let answer = try await channel.unary(method, [], options: CallOptions(timeout: .seconds(10)))
    return String(decoding: answer.message, as: UTF8.self)
  }

  /// How many calls each zone has answered.
  private static func call(_ channel: Channel, count: Int, atOnce: Int) async throws -> String {
    let zones = try await withThrowingTaskGroup(of: [String].self) { group in
      for _ in 0..<atOnce {
        group.addTask {
          var zones: [String] = []
          for _ in 0..<(count / atOnce) { zones.append(try await zone(of: channel)) }
          return zones
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    return ["a", "b"].map { zone in "\(zone) \(zones.count { $0 == zone })" }.joined(separator: ", ")
  }
}
