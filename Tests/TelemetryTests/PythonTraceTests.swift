import Foundation
import InMemoryTracing
import TestSupport
import Testing
import Volery
import VoleryTracing

/// opentelemetry's own instrumentation of grpcio on the other side.
@Suite("One trace with Python", .serialized, .timeLimit(.minutes(5))) struct PythonTraceTests {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  static let whereMethod = Method<[UInt8], [UInt8]>(service: "test.Traced", name: "Where", kind: .unary)
  static let relay = Method<[UInt8], [UInt8]>(service: "test.Traced", name: "Relay", kind: .unary)

  static func script(_ name: String) -> String { root.appendingPathComponent("Tests/Interop/\(name)").path }

  static func python() throws -> String {
    let (output, code) = try ChildProcess.run([script("environment.sh")])
    try #require(code == 0, "the Python environment can't be made")
    return output.trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// What Python's handler says of its span.
  struct Place: Decodable {
    let trace: String
    let span: String
    let parent: String?
  }

  struct Report: Decodable {
    let trace: String
    let spans: [String: String]
    let answer: Place
  }

  /// Passes a call on to Python's server.
  struct Relay: Service {
    let next: Channel
    var handlers: [MethodHandler] {
      [
        .unary(PythonTraceTests.relay) { request, _ in
          try await next.unary(PythonTraceTests.whereMethod, request).message
        }
      ]
    }
  }

  func withPythonServer(_ body: (Channel, W3CTracer) async throws -> Void) async throws {
    let process = try ChildProcess([Self.python(), Self.script("telemetry.py"), "server"])
    let port = try #require(process.readLine().line.split(separator: ":").last)
    let tracer = W3CTracer()
    var options = ChannelOptions()
    options.observers = [TracingObserver(tracer: tracer)]
    let channel = try Channel("ipv4:127.0.0.1:\(port)", options: options)
    try await body(channel, tracer)
    channel.close()
    #expect(process.stop(SIGTERM) == 0)
  }

  @Test("our client's trace goes on in Python's server, below the attempt's span") func ourClient() async throws {
    try await withPythonServer { channel, tracer in
      let answer = try await channel.unary(Self.whereMethod, [], options: CallOptions(timeout: .seconds(30))).message
      let place = try JSONDecoder().decode(Place.self, from: Data(answer))
      let attempt = try #require(tracer.finished("Attempt.").first)
      #expect(place.trace == attempt.traceID)
      #expect(place.parent == attempt.spanID)
    }
  }

  @Test("a trace of Python's client goes through our server and back into Python's") func ourServer() async throws {
    try await withPythonServer { channel, inner in
      let tracer = W3CTracer()
      var options = ServerOptions()
      options.observers = [TracingObserver(tracer: tracer)]
      let server = Server(services: [Relay(next: channel)], options: options)
      let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
      let (output, code) = try ChildProcess.run([Self.python(), Self.script("telemetry.py"), "client", "\(address)"])
      #expect(code == 0)
      let report = try JSONDecoder().decode(Report.self, from: Data(output.utf8))
      await server.drain()
      let served = try #require(tracer.finished("Recv.test.Traced.Relay").first)
      let sent = try #require(inner.finished("Sent.test.Traced.Where").first)
      let attempt = try #require(inner.finished("Attempt.test.Traced.Where").first)
      #expect(served.traceID == report.trace && report.answer.trace == report.trace)
      #expect(report.spans["/test.Traced/Relay"] == served.parentSpanID)
      #expect(sent.parentSpanID == served.spanID && report.answer.parent == attempt.spanID)
    }
  }
}
