import Foundation
import JWTKit
import Volery
import VoleryInterceptors

/// A server that knows its callers by JSON Web Tokens.
@main
struct Program {
  static let greet = Method<[UInt8], [UInt8]>(service: "demo.Greeter", name: "Greet", kind: .unary)

  struct Greeter: Service {
    var handlers: [MethodHandler] {
      [
        .unary(Program.greet) { _, context in
          let user = try context.caller(UserToken.self)
          return Array("hello, \(user.sub.value)".utf8)
        }
      ]
    }
  }

  static func main() async throws {
    // A real program reads its issuer's public keys (`keys.add(jwksJSON:)`).
    let keys = JWTKeyCollection()
    await keys.add(hmac: HMACKey(from: (0..<32).map { _ in UInt8.random(in: 0 ... .max) }), digestAlgorithm: .sha256)

    var options = ServerOptions()
    options.interceptors = [
      Authentication { request in
        guard let token = request.bearerToken else { throw StatusError(.unauthenticated, "a bearer token is needed") }
        return try await keys.verify(token, as: UserToken.self)
      }
    ]
    let server = Server(services: [Greeter()], options: options)
    let channel = try Channel("ipv4:\(try server.start(listeningOn: .tcp("127.0.0.1", 0))[0])")

    func call(_ name: String, _ token: String?) async {
      var options = CallOptions(timeout: .seconds(10))
      options.metadata["authorization"] = token.map { "Bearer \($0)" }
      do {
        let answer = try await channel.unary(greet, [], options: options).message
        print("\(name): \(String(decoding: answer, as: UTF8.self))")
      } catch {
        print("\(name): \(error.code): \(error.message)")
      }
    }
    func token(for name: String, expires date: Date) async throws -> String {
      try await keys.sign(UserToken(sub: .init(value: name), exp: .init(value: date)))
    }
    await call("ann", try await token(for: "ann", expires: .now + 60))
    await call("late", try await token(for: "ann", expires: .now - 60))
    await call("forger", "e30.e30.e30")
    await call("stranger", nil)
    await server.drain()
  }
}
