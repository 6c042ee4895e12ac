import Foundation
import HTTPTypes
import Hummingbird
import VoleryStatus

/// The page on a port of its own, by Hummingbird: two routes, nothing that changes anything. On the loopback interface, unless somebody
/// says otherwise: whoever reads it learns what stands where (Docs/StatusPage.md).
enum StatusServer {
  static func run(_ page: StatusPage, host: String = "127.0.0.1", port: Int) async throws {
    let router = Router()
    router.get("/") { _, _ in response("text/html; charset=utf-8", StatusPage.html) }
    router.get("/status.json") { _, _ in response("application/json", page.json) }
    let application = Application(
      router: router, configuration: .init(address: .hostname(host, port: port), serverName: nil),
      onServerRunning: { channel in
        // At once, also into a pipe.
        FileHandle.standardOutput.write(Data("http://\(host):\(channel.localAddress?.port ?? port)/\n".utf8))
      })
    try await application.runService()
  }

  private static func response(_ type: String, _ bytes: [UInt8]) -> Response {
    var headers: HTTPFields = [.contentType: type]
    for (name, value) in StatusPage.headers {
      if let name = HTTPField.Name(name) { headers[name] = value }
    }
    return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
  }
}
