import Volery
import VoleryReflection

/// A server and a client in one program: each kind of call once. `route-guide serve PORT` is the server alone, for tools that
/// ask it what it offers (Docs/Reflection.md).
@main
struct Program {
  static func main() async throws {
    let arguments = CommandLine.arguments.dropFirst()
    if arguments.first == "serve" {
      return try await serve(port: arguments.dropFirst().first.flatMap(Int.init) ?? 50051)
    }
    try await callOnce()
  }

  static func serve(port: Int) async throws {
    let health = Health(services: [RouteGuideMethods.serviceName])
    let server = Server(services: [RouteGuideServer(), health, Reflection()])
    try await server.run(listeningOn: .tcp("127.0.0.1", port)) { print("LISTENING \($0[0])") }
  }

  static func callOnce() async throws {
    let server = Server(services: [RouteGuideServer()])
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    let guide = RouteGuideClient(try Channel("\(address)"))

    let feature = try await guide.getFeature(Point(latitude: 20, longitude: 15))
    print("unary: \(feature.name)")

    let rectangle = Rectangle(low: Point(), high: Point(latitude: 50, longitude: 50))
    for try await feature in guide.listFeatures(rectangle) { print("server streaming: \(feature.name)") }

    let route = guide.recordRoute()
    for latitude in [10, 20, 30] { try await route.send(Point(latitude: Int32(latitude), longitude: 10)) }
    route.finish()
    let summary = try await route.response
    print("client streaming: \(summary.pointCount) points, \(summary.featureCount) features")

    let chat = guide.routeChat()
    for text in ["first", "second", "third"] { try await chat.send(RouteNote(location: Point(), message: text)) }
    chat.finish()
    for try await note in chat { print("bidirectional: before this there was \"\(note.message)\"") }

    await server.drain()
  }
}
