import Greeter
import Volery

struct Hello: GreeterService {
  func sayHello(_ request: HelloRequest, context: ServerContext) async throws -> HelloReply {
    HelloReply(message: "Hello, \(request.name)!")
  }
}

@main
struct Program {
  static func main() async throws {
    let server = Server(services: [Hello()])
    try await server.run(listeningOn: .tcp("0.0.0.0", 50051))
  }
}
