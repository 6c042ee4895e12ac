import TestSupport
import Volery

/// What scripted clients call.
struct ScriptedService: Service {
  static let echo = Method<[UInt8], [UInt8]>(service: "test.Scripted", name: "Echo", kind: .unary)
  /// Answers with one message of as many bytes as the request says in decimal.
  static let large = Method<[UInt8], [UInt8]>(service: "test.Scripted", name: "Large", kind: .unary)
  /// Never answers.
  static let hang = Method<[UInt8], [UInt8]>(service: "test.Scripted", name: "Hang", kind: .unary)
  static let upload = Method<[UInt8], [UInt8]>(service: "test.Scripted", name: "Upload", kind: .clientStreaming)

  var handlers: [MethodHandler] {
    [
      .unary(ScriptedService.echo) { request, _ in request },
      .unary(ScriptedService.large) { request, _ in
        [UInt8](repeating: 7, count: Int(String(decoding: request, as: UTF8.self)) ?? 0)
      },
      .unary(ScriptedService.hang) { _, _ in
        try await Task.sleep(for: .seconds(3600))
        return []
      },
      .clientStreaming(ScriptedService.upload) { requests, _ in
        var total = 0
        for try await request in requests { total += request.count }
        return Array("\(total)".utf8)
      },
    ]
  }

  static func request(_ method: String) -> [(String, String)] {
    ScriptedPeer.request.map { $0.0 == ":path" ? ($0.0, "/test.Scripted/\(method)") : $0 }
  }

  static func message(_ bytes: [UInt8]) -> [UInt8] {
    [0] + withUnsafeBytes(of: UInt32(bytes.count).bigEndian, Array.init) + bytes
  }

  /// Lets a script play a client of a server of its own.
  static func serve(
    options: ServerOptions = ServerOptions(), _ script: @escaping @Sendable (SocketAddress) throws -> Void
  ) async throws {
    let server = Server(services: [ScriptedService()], options: options)
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    try await blocking { try script(address) }
  }
}
