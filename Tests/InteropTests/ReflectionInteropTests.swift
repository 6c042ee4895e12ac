import Foundation
import NastyMessages
import TestMessages
import TestSupport
import Testing
import Volery
import VoleryReflection

@Suite("Reflection and its tools", .serialized, .timeLimit(.minutes(3))) struct ReflectionInteropTests {
  static func withServer(_ body: (_ address: String) throws -> Void) throws {
    let files = [Old.fileTable, Everything.fileTable, Nasty.fileTable]
    let server = Server(services: [Health(services: ["shop.Orders"]), Reflection(files: files)])
    let address = try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    try body("\(address)")
  }

  @Test("grpcio-reflection finds every file and every name, and protobuf's own pool takes them all") func grpcio()
    throws
  {
    try Self.withServer { address in
      let (output, code) = try InteropTests.run([
        InteropTests.python(), InteropTests.script("reflection.py"), address,
      ])
      #expect(code == 0)
      // Of each kind some: nothing was passed over.
      for kind in [
        "enum", "enum value", "extension", "extension number", "field", "file", "message", "method", "oneof", "service",
      ] {
        let count = output.split(separator: "; ").first { $0.hasPrefix("\(kind) ") }?.split(separator: " ").last
        let number = count.flatMap { Int($0.filter(\.isNumber)) } ?? 0
        #expect(number > 2, "\(kind): \(output)")
      }
    }
  }

  static func buf() throws -> String {
    try URL(fileURLWithPath: InteropTests.python()).deletingLastPathComponent().appendingPathComponent("buf").path
  }

  @Test(
    "buf curl lists services and methods, and calls one, by either version", arguments: ["grpc-v1", "grpc-v1alpha"])
  func bufCurl(_ version: String) throws {
    try Self.withServer { address in
      func curl(_ arguments: String...) throws -> String {
        let flags = ["curl", "--protocol", "grpc", "--http2-prior-knowledge", "--reflect-protocol", version]
        let (output, code) = try InteropTests.run([Self.buf()] + flags + arguments)
        #expect(code == 0, "\(arguments)")
        return output
      }
      #expect(
        try curl("--list-services", "http://\(address)").split(separator: "\n") == [
          "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
        ])
      #expect(try curl("--list-methods", "http://\(address)").contains("grpc.health.v1.Health/Watch"))
      let answer = try curl("-d", #"{"service": "shop.Orders"}"#, "http://\(address)/grpc.health.v1.Health/Check")
      #expect(answer.filter { !$0.isWhitespace } == #"{"status":"SERVING"}"#)
    }
  }

  @Test("the example is called by the commands of Docs/Reflection.md") func example() throws {
    let program = URL(fileURLWithPath: InteropTests.program).deletingLastPathComponent().appendingPathComponent(
      "route-guide")
    try InteropTests.withServer(["stdbuf", "-oL", program.path, "serve", "0"]) { port in
      let page = try String(contentsOf: InteropTests.root.appendingPathComponent("Docs/Reflection.md"), encoding: .utf8)
      let commands = page.split(separator: "\n").filter { $0.hasPrefix("buf curl ") }
      #expect(commands.count >= 3)
      var output = ""
      for command in commands {
        let (answer, code) = try InteropTests.run([
          "bash", "-c",
          command.replacingOccurrences(of: ":50051", with: ":\(port)").replacing(
            "buf", with: Self.buf(), maxReplacements: 1),
        ])
        #expect(code == 0, "\(command)")
        output += answer
      }
      #expect(output.contains("routeguide.RouteGuide/GetFeature") && output.contains("Bakery"), "\(output)")
    }
  }
}
