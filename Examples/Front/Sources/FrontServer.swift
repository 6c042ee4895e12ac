import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Volery

/// The routes, by Hummingbird:
///
///     GET /ok           a pod's name
///     GET /fail         what a call that fails becomes
///     GET /stream       ten lines of one pod, each as it comes
///     GET /             a page of the calls for each pod, which keeps itself up to date
///     GET /calls.json   what that page reads
///     GET /healthz      that this program runs
struct FrontServer {
  enum Place {
    case port(String, Int)
    case path(String)
  }

  private let calls: PodCalls
  private let target: String

  init(_ calls: PodCalls, target: String) {
    self.calls = calls
    self.target = target
  }

  /// Until SIGTERM or SIGINT. Requests have small heads, no bodies that anybody reads, and a connection of its own is closed after a
  /// minute without one.
  func run(on place: Place) async throws {
    let address: BindAddress =
      switch place {
      case .port(let host, let port): .hostname(host, port: port)
      case .path(let path): .unixDomainSocket(path: path)
      }
    let decoder = HTTP1Channel.Configuration.DecoderConfiguration(
      maxHeaderFieldSize: 8192, maxHeaderListSize: 16_384, maxHeaderFieldCount: 100)
    let application = Application(
      router: router,
      server: .http1(configuration: .init(idleTimeout: .seconds(60), httpDecoderConfiguration: decoder)),
      configuration: .init(
        address: address, serverName: nil, availableConnectionsDelegate: MaximumAvailableConnections(1000)),
      onServerRunning: { channel in
        switch place {
        case .port(let host, let port): say("LISTENING http://\(host):\(channel.localAddress?.port ?? port)/")
        case .path(let path): say("LISTENING unix:\(path)")
        }
      })
    try await application.runService()
  }

  private var router: Router<BasicRequestContext> {
    let router = Router()
    router.get("/ok") { [calls] _, _ in
      await FrontServer.response { () async throws(StatusError) in try await calls.ok() }
    }
    router.get("/fail") { [calls] _, _ in
      await FrontServer.response { () async throws(StatusError) in try await calls.fail() }
    }
    router.get("/stream") { [calls] _, _ in FrontServer.lines(calls) }
    router.get("/") { _, _ in FrontServer.page() }
    router.get("/calls.json") { [calls, target] _, _ in FrontServer.json(calls.book.report(target)) }
    router.get("/healthz") { _, _ in FrontServer.text(.ok, "text/plain", "ok\n") }
    return router
  }

  private struct Line: Encodable {
    let pod: String
    let number: Int32
  }

  private struct Problem: Encodable {
    let code: String
    let message: String
  }

  private static func response(_ call: () async throws(StatusError) -> Answer) async -> Response {
    do throws(StatusError) {
      let answer = try await call()
      return json(Line(pod: answer.pod, number: answer.number))
    } catch {
      return json(Problem(code: "\(error.code)", message: error.message), status: error.code.httpStatus)
    }
  }

  /// The head goes with the first answer or before it: what happens after that is a line too. A reader that goes ends the call.
  private static func lines(_ calls: PodCalls) -> Response {
    let body = ResponseBody { writer in
      do {
        try await calls.stream { try await writer.write(ByteBuffer(bytes: line(Line(pod: $0.pod, number: $0.number)))) }
      } catch let error as StatusError {
        try await writer.write(ByteBuffer(bytes: line(Problem(code: "\(error.code)", message: error.message))))
      }
      try await writer.finish(nil)
    }
    return Response(status: .ok, headers: headers("application/x-ndjson"), body: body)
  }

  /// Its script and style are its own: nothing else is run, and nothing loaded but `calls.json` and the three paths.
  private static func page() -> Response {
    let nonce = String(UInt64.random(in: 0...(.max)), radix: 36) + String(UInt64.random(in: 0...(.max)), radix: 36)
    var response = text(.ok, "text/html; charset=utf-8", Page.html.replacing("NONCE", with: nonce))
    response.headers[.contentSecurityPolicy] =
      "default-src 'none'; script-src 'nonce-\(nonce)'; style-src 'nonce-\(nonce)'; connect-src 'self'; img-src data:; "
      + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return response
  }

  private static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) -> Response {
    Response(
      status: status, headers: headers("application/json"),
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: line(value))))
  }

  private static func text(_ status: HTTPResponse.Status, _ type: String, _ text: String) -> Response {
    Response(status: status, headers: headers(type), body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
  }

  private static func headers(_ type: String) -> HTTPFields {
    [.contentType: type, .cacheControl: "no-store", .xContentTypeOptions: "nosniff"]
  }

  private static func line(_ value: some Encodable) -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return ((try? encoder.encode(value)) ?? Data("{}".utf8)) + Data("\n".utf8)
  }
}

extension StatusCode {
  /// As google.rpc.Code has it.
  fileprivate var httpStatus: HTTPResponse.Status {
    switch self {
    case .ok: .ok
    case .invalidArgument, .failedPrecondition, .outOfRange: .badRequest
    case .unauthenticated: .unauthorized
    case .permissionDenied: .forbidden
    case .notFound: .notFound
    case .alreadyExists, .aborted: .conflict
    case .resourceExhausted: .tooManyRequests
    case .cancelled: .init(code: 499, reasonPhrase: "Client Closed Request")
    case .unimplemented: .notImplemented
    case .unavailable: .serviceUnavailable
    case .deadlineExceeded: .gatewayTimeout
    default: .internalServerError
    }
  }
}

/// At once, also into a pipe.
private func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }
