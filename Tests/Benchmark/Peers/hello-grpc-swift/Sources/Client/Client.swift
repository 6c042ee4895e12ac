import GRPCCore
import GRPCNIOTransportHTTP2
import Greeter

@main
struct Program {
  static func main() async throws {
    let transport = try HTTP2ClientTransport.Posix(
      target: .dns(host: "localhost", port: 50051), transportSecurity: .plaintext)
    try await withGRPCClient(transport: transport) { client in
      let reply = try await Helloworld_Greeter.Client(wrapping: client).sayHello(.with { $0.name = "you" })
      print(reply.message)
    }
  }
}
