import Greeter
import Volery

@main
struct Program {
  static func main() async throws {
    let channel = try Channel("dns:///localhost:50051")
    let reply = try await GreeterClient(channel).sayHello(HelloRequest(name: "you"))
    print(reply.message)
  }
}
