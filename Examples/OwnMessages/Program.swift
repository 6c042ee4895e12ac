import Foundation
import Volery

/// Calls without protobuf: the messages are Codable types, sent as JSON.
@main
struct Program {
  static func main() async throws {
    let server = Server(services: [Weather()])
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    let channel = try Channel("\(address)")
    let city = City(name: "Lisbon")

    let reading = try await channel.unary(WeatherMethods.now, city).message
    print("now: \(reading.celsius) in \(reading.city)")
    for try await reading in channel.serverStreaming(WeatherMethods.watch, city) { print("watch: \(reading.celsius)") }
    let sunrise = try await channel.unary(WeatherMethods.sunrise, city).message
    print("sunrise: \(Int(sunrise.timeIntervalSince1970))")

    // JSON that is not what the method takes, as raw bytes from a careless client.
    let careless = Method<[UInt8], [UInt8]>(service: "demo.Weather", name: "Now", kind: .unary)
    do {
      _ = try await channel.unary(careless, Array("{}".utf8))
    } catch {
      print("careless: \(error.code)")
    }
    await server.drain()
  }
}
