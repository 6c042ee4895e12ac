import TestSupport
import Volery
import VoleryProxy

/// A proxy on a port of its own, and who stands on its sides.
struct Stage {
  let proxy: Proxy
  let address: Volery.SocketAddress

  var target: String { "\(address)" }

  init(to target: String, _ change: (inout ProxyOptions) -> Void = { _ in }) throws {
    var options = ProxyOptions()
    change(&options)
    proxy = try Proxy(to: target, services: [Health()], options: options)
    address = try proxy.start(listeningOn: .tcp("127.0.0.1", 0))[0]
  }

  /// Before a server of the test's own services.
  static func before<Result>(
    _ services: any Service..., isolation: isolated (any Actor)? = #isolation,
    _ body: (Stage, Channel) async throws -> Result
  ) async throws -> Result {
    var options = ServerOptions()
    options.handlesSignals = false
    let server = Server(services: services, options: options)
    let bound = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let stage = try Stage(to: "\(bound)")
    let result = try await body(stage, try Channel(stage.target))
    await stage.proxy.drain(limit: .seconds(5))
    return result
  }
}

/// Raw bytes in, raw bytes out.
struct Echo: Service {
  static let unary = Method<[UInt8], [UInt8]>(service: "test.Echo", name: "Unary", kind: .unary)
  static let download = Method<[UInt8], [UInt8]>(service: "test.Echo", name: "Download", kind: .serverStreaming)
  static let upload = Method<[UInt8], [UInt8]>(service: "test.Echo", name: "Upload", kind: .clientStreaming)
  static let chat = Method<[UInt8], [UInt8]>(service: "test.Echo", name: "Chat", kind: .bidirectional)
  static let fail = Method<[UInt8], [UInt8]>(service: "test.Echo", name: "Fail", kind: .unary)
  static let metadata = Method<[UInt8], [UInt8]>(service: "test.Echo", name: "Metadata", kind: .unary)

  /// Each response that `Download` has got rid of.
  var downloaded: @Sendable () -> Void = {}

  var handlers: [MethodHandler] {
    [
      .unary(Echo.unary) { request, _ in request },
      .serverStreaming(Echo.download) { request, writer, _ in
        for _ in 0..<Int(request[0]) * 100 {
          try await writer.write(Array(request.dropFirst()))
          downloaded()
        }
      },
      .clientStreaming(Echo.upload) { requests, _ in
        var total = 0
        for try await request in requests { total += request.count }
        return Array("\(total)".utf8)
      },
      .bidirectional(Echo.chat) { requests, writer, _ in
        for try await request in requests { try await writer.write(request) }
      },
      .unary(Echo.fail) { request, context in
        context.trailingMetadata = ["reason": "asked"]
        throw StatusError(.failedPrecondition, String(decoding: request, as: UTF8.self))
      },
      .unary(Echo.metadata) { _, context in
        context.initialMetadata = ["x-initial": "seen"]
        for value in context.metadata.binaryValues("x-in-bin") {
          context.initialMetadata.append(binary: value, for: "x-out-bin")
        }
        var trailing = Metadata()
        for key in ["x-forwarded-for", "x-proxied-by", "x-in", "user-agent"] {
          for value in context.metadata.values(key) { trailing.append(value, for: "\(key)-seen") }
        }
        for value in context.metadata.binaryValues("x-in-bin") { trailing.append(binary: value, for: "x-out-bin") }
        if let address = context.peer.localAddress { trailing.append("\(address)", for: "peer-seen") }
        context.trailingMetadata = trailing
        return Array(context.authority.utf8)
      },
    ]
  }
}
