import Foundation
import Volery

/// A Codable type that travels as JSON: `application/grpc+json`, which any gRPC implementation with a JSON codec speaks.
///
///     struct Reading: JSONMessage { var celsius: Double }
protocol JSONMessage: WireMessage, Codable {}

extension JSONMessage {
  static var contentSubtype: String? { "json" }

  init(wireBytes: UnsafeRawBufferPointer) throws {
    self = try JSONDecoder().decode(Self.self, from: Data(wireBytes))
  }

  func serialize(into sink: inout MessageSink) throws { sink.write([UInt8](try JSONEncoder().encode(self))) }
}
