import Synchronization
import TestSupport
import Volery
import VoleryInterceptors

/// What is called in these tests.
struct Subject: Service {
  private static func method(_ name: String, _ kind: MethodKind = .unary) -> Method<[UInt8], [UInt8]> {
    Method(service: "test.Subject", name: name, kind: kind)
  }

  static let echo = method("Echo")
  static let chat = method("Chat", .bidirectional)
  /// Takes as long as the request says, in milliseconds (two bytes).
  static let slow = method("Slow")
  static let throwing = method("Throwing")
  static let missing = method("Missing")
  /// Fails as long as there are failures left.
  static let flaky = method("Flaky")
  /// Calls `Echo` of `next`.
  static let relay = method("Relay")
  /// Ends when it is cancelled.
  static let hang = method("Hang")
  static let unknown = Method<[UInt8], [UInt8]>(service: "test.Nobody", name: "Knows", kind: .unary)

  struct Broken: Error {}

  var next: Channel?
  var executor = MethodHandler.Executor.eventLoop
  var failures = Counter(0)

  /// How often something may still happen.
  final class Counter: Sendable {
    private let left: Mutex<Int>
    init(_ count: Int) { left = Mutex(count) }
    func take() -> Bool {
      left.withLock { left in
        left -= 1
        return left >= 0
      }
    }
  }

  var handlers: [MethodHandler] { methods.map { $0.on(executor) } }

  private var methods: [MethodHandler] {
    [
      .unary(Subject.echo) { request, _ in request },
      .bidirectional(Subject.chat) { requests, responses, _ in
        for try await request in requests { try await responses.write(request) }
      },
      .unary(Subject.slow) { request, _ in
        try await Task.sleep(for: .milliseconds(Int(request[0]) * 256 + Int(request[1])))
        return request
      },
      .unary(Subject.throwing) { _, _ in throw Broken() },
      .unary(Subject.missing) { _, _ in throw StatusError(.notFound, "no such thing") },
      .unary(Subject.flaky) { [failures] request, _ in
        if failures.take() { throw StatusError(.unavailable, "not yet") }
        return request
      },
      .unary(Subject.relay) { [next] request, _ in
        guard let next else { throw StatusError(.failedPrecondition, "nobody is next") }
        return try await next.unary(Subject.echo, request).message
      },
      .unary(Subject.hang) { request, _ in
        let (nothing, source) = AsyncStream<Void>.makeStream()
        for await _ in nothing {}
        source.finish()
        try Task.checkCancellation()
        return request
      },
    ]
  }

  static let timely = CallOptions(timeout: .seconds(20))

  /// A channel to so many servers of this, with observers at both ends. `limit`: the servers' own deadline for each call.
  static func run(
    _ service: Subject = Subject(), count: Int = 1, server: [any Observer] = [], client: [any Observer] = [],
    config: String? = nil, limit: Duration? = nil, target: (@Sendable ([SocketAddress]) -> String)? = nil,
    _ body: (Channel) async throws -> Void
  ) async throws {
    var servers: [Server] = []
    var addresses: [SocketAddress] = []
    defer { for pod in servers { pod.shutDown() } }
    for _ in 0..<count {
      var options = ServerOptions()
      options.observers = server
      if let limit { options.interceptors = [DefaultDeadline(limit, atMost: limit)] }
      let pod = Server(services: [service], options: options)
      addresses.append(try pod.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0])
      servers.append(pod)
    }
    var options = ChannelOptions()
    options.observers = client
    if let config { options.serviceConfig = try ServiceConfig(json: config) }
    let list = "ipv4:" + addresses.map(\.description).joined(separator: ",")
    let channel = try Channel(target?(addresses) ?? list, options: options)
    try await body(channel)
    channel.close()
    for pod in servers { await pod.drain(limit: .seconds(5)) }
  }
}
