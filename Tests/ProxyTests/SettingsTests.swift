import Configuration
import TestSupport
import Testing
import Volery
import VoleryEventLoops
import VoleryProxy
import VoleryProxyConfiguration

/// What a file of settings means, and what is said of one that is wrong: without a proxy.
@Suite("A proxy's settings") struct SettingsTests {
  private func settings(
    _ yaml: String, _ environment: [String: String] = [:], _ arguments: [SettingArgument] = []
  ) async throws -> ProxySettings {
    let reader = ConfigReader(provider: EnvironmentVariablesProvider(environmentVariables: environment))
    let root = try SettingNode(yaml: yaml, file: "proxy.yaml")
    return try await ProxySettings(reading: root.adding(reader).adding(arguments))
  }

  @Test("a file says all of it") func whole() async throws {
    let found = try await settings(
      """
      listen: ["0.0.0.0:8443", "unix:/run/proxy.sock"]
      name: edge
      maxHops: 3
      loops: 1
      authority: target
      accessLog: full
      identityHeader: x-client
      metrics: 127.0.0.1:9464
      tls: {certificate: a.crt, key: a.key, clients: ca.crt, clientCertificates: optional}
      server: {maxConcurrentStreams: 50, drainLimit: 7.5}
      channel: {connectTimeout: 3}
      targets:
        orders: dns:///orders:50051
        canary:
          target: {host: orders-canary, port: 50051}
          tls: {roots: ca.crt, certificate: b.crt, key: b.key, serverName: orders}
          channel: {loadBalancingPolicy: round_robin, connectTimeout: 4}
      routes:
        - service: shop.Orders
          method: Get
          headers: [{name: X-Canary, exact: "1"}, {name: x-user, prefix: test-}, {name: x-on, present: true}]
          targets: [{target: orders, weight: 95}, {target: canary, weight: 5}]
          authority: orders.example.com
          maxTimeout: 1500ms
        - pathPrefix: /shop.
          target: orders
      """)
    #expect(found.listen == [.tcp("0.0.0.0", 8443), .unix("/run/proxy.sock")])
    #expect(found.name == "edge" && found.maxHops == 3 && found.loops == 1 && found.authority == .target)
    #expect(found.accessLog == .full && found.identityHeader == "x-client")
    #expect(found.metrics == .tcp(host: "127.0.0.1", port: 9464))
    #expect(found.serverTLS?.certificate == "a.crt" && found.serverTLS?.roots == "ca.crt")
    #expect(found.serverTLS?.isOptional == true)
    #expect(found.server.maxConcurrentStreams == 50 && found.server.drainLimit == .seconds(7.5))
    #expect(found.targets["orders"]?.target == "dns:///orders:50051")
    #expect(found.targets["orders"]?.channel.connectTimeout == .seconds(3))
    let canary = try #require(found.targets["canary"])
    #expect(canary.target == "dns:///orders-canary:50051" && canary.tls?.serverName == "orders")
    #expect(canary.channel.loadBalancingPolicy == "round_robin" && canary.channel.connectTimeout == .seconds(4))
    #expect(found.routes.count == 2)
    let route = found.routes[0]
    #expect(route.service == "shop.Orders" && route.pathPrefix == "/shop.Orders/Get")
    #expect(route.headers == [.exact("x-canary", "1"), .prefix("x-user", "test-"), .present("x-on")])
    #expect(route.destinations == [.init(target: "orders", weight: 95), .init(target: "canary", weight: 5)])
    #expect(route.authority == .name("orders.example.com") && route.maxTimeout == .milliseconds(1500))
    #expect(found.routes[1].pathPrefix == "/shop." && found.routes[1].service == nil)
  }

  @Test("one target needs no routes, in the short form and in the one with host and port") func short() async throws {
    let found = try await settings(
      """
      listen: {host: 127.0.0.1, port: 9000}
      target: {host: orders, port: 50051}
      refresh_rate: 15s
      balancer: none
      idle-timeout: 5m
      access_log: compact
      """)
    #expect(found.listen == [.tcp("127.0.0.1", 9000)])
    let target = try #require(found.targets.values.first)
    #expect(target.target == "dns:///orders:50051")
    #expect(target.channel.refreshInterval == .seconds(15) && target.channel.loadBalancingPolicy == "pick_first")
    #expect(target.channel.idleTimeout == .seconds(300))
    #expect(found.accessLog == .compact && found.metrics == nil)
    #expect(found.routes.count == 1 && found.routes[0].service == nil)
    for policy in ["random", "round_robin"] {
      let other = try await settings("{target: a:1, balancer: \(policy)}")
      #expect(other.targets.values.first?.channel.loadBalancingPolicy == policy)
    }
  }

  @Test("the environment stands over the file, and the command line over both") func layers() async throws {
    let environment = [
      "VOLERY_PROXY_TARGET": "b:2", "VOLERY_PROXY_MAX_HOPS": "5", "VOLERY_PROXY_NAME": "env",
      "VOLERY_PROXY_METRICS": "unix:/run/metrics",
      "VOLERY_PROXY_SERVER_MAX_CONCURRENT_STREAMS": "7", "VOLERY_PROXY_TARGET_TLS_ROOTS": "ca.crt", "OTHER": "x",
    ]
    let found = try await settings(
      "{target: a:1, maxHops: 2, name: file, loops: 1}", environment,
      [SettingArgument("--name", "name", values: .one("argument"))])
    #expect(found.targets.values.first?.target == "b:2" && found.maxHops == 5 && found.name == "argument")
    #expect(found.metrics == .unix(path: "/run/metrics"))
    #expect(found.loops == 1 && found.server.maxConcurrentStreams == 7)
    #expect(found.targets.values.first?.tls?.roots == "ca.crt")
    let onlyEnvironment = try await settings("", ["VOLERY_PROXY_TARGET_HOST": "c", "VOLERY_PROXY_TARGET_PORT": "3"])
    #expect(onlyEnvironment.targets.values.first?.target == "dns:///c:3")
  }

  @Test(
    "what is wrong is named with its file, its line and its key",
    arguments: [
      ("target: a:1\nlisten: nowhere", "proxy.yaml:2: listen: \"nowhere\" is neither"),
      ("target: a:1\n\ntargt: b:2", "proxy.yaml:3: targt: there is no such key; is target meant?"),
      ("target: a:1\nmaxHops: many", "proxy.yaml:2: maxHops: \"many\" is not a number from 1 to 1000"),
      ("target: a:1\naccessLog: [full]", "proxy.yaml:2: accessLog: this takes one value"),
      ("target: a:1\naccessLog: loud", "proxy.yaml:2: accessLog: \"loud\" is none of: none, compact, full"),
      ("target: a:1\nserver:\n  maxConcurrentStreams: 0", "proxy.yaml:3: server.maxConcurrentStreams: "),
      ("target: a:1\nserver:\n  maxStreams: 1", "proxy.yaml:3: server.maxStreams: there is no such key"),
      ("target: a:1\nchannel: 5", "proxy.yaml:2: channel: this has to be a section"),
      ("target: a:1\nmetrics: 9464", "proxy.yaml:2: metrics: \"9464\" is neither ADDR:PORT nor unix:/path"),
      ("target: a:1\nmetrics: 127.0.0.1:8080", "proxy.yaml:2: metrics: clients connect there: 0.0.0.0:8080"),
      ("target: a:1\nbalancer: best", "proxy.yaml:2: balancer: there is no policy \"best\""),
      ("target: nonsense://x", "proxy.yaml:1: target: "), ("target: in-process:x", "proxy.yaml:1: target: "),
      ("name: a", "proxy.yaml:1: there is no target"), ("", "proxy.yaml:1: there is no target"),
      ("target: {host: a}", "proxy.yaml:1: target: there have to be a host and a port"),
      ("target: {host: a, port: 70000}", "proxy.yaml:1: target.port: \"70000\" is not a number"),
      ("target: a:1\ntls:\n  certificate: x", "proxy.yaml:3: tls: certificate and key belong together"),
      ("targets:\n  a: b:1\nroutes:\n- target: c", "proxy.yaml:4: routes[0].target: there is no target \"c\""),
      ("targets:\n  a: b:1\nroutes:\n- service: x", "proxy.yaml:4: routes[0]: a route needs a target"),
      (
        "targets:\n  a: b:1\nroutes:\n- targets: [{target: a, weight: 0}]",
        "proxy.yaml:4: routes[0]: all of its weights are 0"
      ),
      (
        "targets:\n  a: b:1\nroutes:\n- target: a\n  headers:\n  - {name: x, exact: 1, prefix: 2}",
        "proxy.yaml:6: routes[0].headers[0]: it takes one of"
      ),
      (
        "targets:\n  a: b:1\nroutes:\n- target: a\n  headers:\n  - {name: grpc-timeout, present: true}",
        "proxy.yaml:6: routes[0].headers[0].name: "
      ),
      ("targets:\n  a: b:1\nroutes:\n- target: a\n  maxTimeout: soon", "proxy.yaml:5: routes[0].maxTimeout: "),
      ("listen: 0.0.0.0:80\ntarget: localhost:80", "proxy.yaml:2: target: dns:///localhost:80 is this proxy itself"),
      ("listen: 127.0.0.1:80\ntarget: static:///10.0.0.1:80,127.0.0.1:80", "proxy.yaml:2: target: "),
      ("listen: unix:/a\ntarget: unix:///a", "proxy.yaml:2: target: "),
      ("target: a:1\ntarget: b:1", "proxy.yaml:"), ("target: a:1\nmaxHops: 1\nmax_hops: 2", "proxy.yaml:3: max_hops: "),
      ("target: [a", "proxy.yaml:2: not YAML: "), ("a: &x [1]\nb: *y", "proxy.yaml:2: not YAML: "),
      ("- target", "proxy.yaml:1: this has to be a section"),
    ])
  func faults(_ yaml: String, _ text: String) async throws {
    let faults = await #expect(throws: SettingFaults.self) { _ = try await settings(yaml) }
    #expect(faults?.description.split(separator: "\n").contains { $0.hasPrefix(text) } == true, "\(faults as Any)")
  }

  private struct Registry: ResolverFactory {
    var scheme: String { "registry" }
    func makeResolver(for target: Target) throws -> any Resolver {
      guard target.endpoint == "orders" else { throw TargetError("never heard of it") }
      return ManualResolver()
    }
    func defaultAuthority(for target: Target) -> String { target.endpoint }
  }

  @Test("a target may have a scheme of the program's own, and its channel knows it; others are named") func schemes()
    async throws
  {
    let root = try SettingNode(yaml: "target: registry:///orders\nchannel: {connectTimeout: 2}", file: "proxy.yaml")
    let target = try await ProxySettings(reading: root, resolvers: [Registry()]).targets.values.first
    #expect(target?.target == "registry:///orders")
    #expect(target?.channel.resolvers.schemes.contains("registry") == true)
    let faults = await #expect(throws: SettingFaults.self) { _ = try await ProxySettings(reading: root) }
    #expect(faults?.description.contains("unknown scheme \"registry\"") == true)
    // What can't ever be resolved is a fault of the file, with its place.
    let wrong = try SettingNode(yaml: "\ntarget: registry:///stock", file: "proxy.yaml")
    let unresolved = await #expect(throws: SettingFaults.self) {
      _ = try await ProxySettings(reading: wrong, resolvers: [Registry()])
    }
    #expect(unresolved?.description == "proxy.yaml:2: target: never heard of it")
  }

  @Test("all faults are told, each with its own place") func allFaults() async throws {
    let faults = await #expect(throws: SettingFaults.self) {
      _ = try await settings(
        "target: a:1\nmaxHops: 0\nlopps: 2", ["VOLERY_PROXY_LOOPS": "none"],
        [SettingArgument("--listen", "listen", values: .several(["x"]))])
    }
    let lines = faults?.description.split(separator: "\n").map { $0.prefix { $0 != " " } } ?? []
    #expect(Set(lines) == ["proxy.yaml:2:", "proxy.yaml:3:", "VOLERY_PROXY_LOOPS:", "--listen:"])
  }

  @Test(
    "what holds from a start on is known by its key",
    arguments: [
      ("listen: 127.0.0.1:9", ["listen"]), ("metrics: 127.0.0.1:9", ["metrics"]), ("loops: 2", ["loops"]),
      ("tls: {certificate: a, key: b}", ["tls"]), ("server: {drainLimit: 7}", ["server"]),
      ("loops: 2\nserver: {drainLimit: 7}", ["loops", "server"]),
      ("maxHops: 3\nname: x\naccessLog: full\nauthority: target\nidentityHeader: none\nrefreshRate: 9s", []),
    ])
  func startKeys(_ lines: String, _ keys: [String]) async throws {
    let running = try await settings("target: a:1")
    #expect(try await settings("target: a:1\n\(lines)").startKeys(differingFrom: running) == keys)
    #expect(running.startKeys(differingFrom: try await settings("target: a:1\n\(lines)")) == keys)
  }

  @Test("a file of a few lines that means millions of values is refused") func references() async throws {
    var yaml = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    for level in 1...8 {
      yaml += "a\(level): &a\(level) [" + (0..<10).map { _ in "*a\(level - 1)" }.joined(separator: ", ") + "]\n"
    }
    let faults = await #expect(throws: SettingFaults.self) { _ = try await settings(yaml) }
    #expect(faults?.description.contains("too many values") == true)
  }

  @Test("targets that are the same keep their connections, others are new") func sameTargets() async throws {
    var parts = ProxyParts(logger: LogRecorder().logger)
    let first = parts.routes(try await settings("targets: {a: x:1, b: y:1}\nroutes: [{target: a}, {target: b}]"))
    let second = parts.routes(
      try await settings(
        "# other lines\ntargets:\n  b: {target: y:1, channel: {connectTimeout: 2}}\n  c: x:1\nroutes: [{target: c}, {target: b}]"
      ))
    #expect(first[0].destinations[0].target === second[0].destinations[0].target)
    #expect(first[1].destinations[0].target !== second[1].destinations[0].target)
    let named = parts.routes(
      try await settings(
        "authority: a.test\ntargets: {a: x:1}\nroutes: [{target: a}, {target: a, authority: client}]"))
    #expect(named.map(\.authority) == [.name("a.test"), .client])
  }
}
