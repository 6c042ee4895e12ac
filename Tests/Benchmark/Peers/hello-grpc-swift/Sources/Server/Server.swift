import GRPCCore
import GRPCNIOTransportHTTP2
import Greeter

struct Hello: Helloworld_Greeter.SimpleServiceProtocol {
  func sayHello(request: Helloworld_HelloRequest, context: ServerContext) async throws -> Helloworld_HelloReply {
    .with { $0.message = "Hello, \(request.name)!" }
  }
}

@main
struct Program {
  static func main() async throws {
    let server = GRPCServer(
      transport: .http2NIOPosix(address: .ipv4(host: "0.0.0.0", port: 50051), transportSecurity: .plaintext),
      services: [Hello()])
    try await server.serve()
  }
}
