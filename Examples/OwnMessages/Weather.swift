import Foundation
import Volery

struct City: JSONMessage {
  var name: String
}

struct Reading: JSONMessage {
  var city: String
  var celsius: Double
}

/// What generated code has for a service, by hand: its methods, a server, and calls.
enum WeatherMethods {
  static let now = Method<City, Reading>(
    service: "demo.Weather", name: "Now", kind: .unary, idempotency: .noSideEffects)
  static let watch = Method<City, Reading>(service: "demo.Weather", name: "Watch", kind: .serverStreaming)

  /// `Date` is not ours, so it gets a serializer instead of a conformance: seconds as text.
  static let sunrise = Method<City, Date>(
    service: "demo.Weather", name: "Sunrise", kind: .unary, requestSerializer: .wire,
    responseSerializer: Serializer(
      serialize: { date, sink in sink.write(Array("\(Int(date.timeIntervalSince1970))".utf8)) },
      deserialize: { bytes in
        guard let seconds = Int(String(decoding: bytes, as: UTF8.self)) else { throw NotSeconds() }
        return Date(timeIntervalSince1970: Double(seconds))
      }))

  struct NotSeconds: Error {}
}

struct Weather: Service {
  var handlers: [MethodHandler] {
    [
      .unary(WeatherMethods.now) { city, _ in
        guard !city.name.isEmpty else { throw StatusError(.invalidArgument, "which city?") }
        return Reading(city: city.name, celsius: 21.5)
      },
      .serverStreaming(WeatherMethods.watch) { city, responses, _ in
        for celsius in [21.5, 22, 22.5] { try await responses.write(Reading(city: city.name, celsius: celsius)) }
      },
      .unary(WeatherMethods.sunrise) { _, _ in Date(timeIntervalSince1970: 1_700_000_000) },
    ]
  }
}
