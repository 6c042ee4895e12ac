import Foundation
import Synchronization

/// Stands for an OAuth 2 authorization server, in a thread: `POST /` with the client credentials grant answers with an access
/// token (RFC 6749, 4.4.3). One request a connection, and just enough HTTP/1 for that.
final class TokenServer: Sendable {
  private struct Grant {
    var owner: String
    var expiry: ContinuousClock.Instant
  }

  let url: URL
  private let secrets: [String: String]
  private let lifetime: Int
  private let descriptor: Int32
  private let grants = Mutex<[String: Grant]>([:])

  private static let leeway = Duration.seconds(10)

  /// - Parameters:
  ///   - secrets: Of each client.
  ///   - lifetime: Of a token, in seconds.
  init(secrets: [String: String], lifetime: Int) throws {
    self.secrets = secrets
    self.lifetime = lifetime
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    self.descriptor = descriptor
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) | listen(descriptor, 16) | getsockname(descriptor, $0, &length)
      }
    }
    guard code == 0 else { throw POSIXError(.EADDRNOTAVAIL) }
    url = URL(string: "http://127.0.0.1:\(UInt16(bigEndian: address.sin_port))/token")!
    Thread.detachNewThread { [self] in serve() }
  }

  /// How many tokens there have been.
  var issued: Int { grants.withLock { $0.count } }

  /// Who holds a token; nil for one that is unknown or has expired.
  func owner(of token: String) -> String? {
    grants.withLock { grants in
      guard let grant = grants[token], grant.expiry > .now else { return nil }
      return grant.owner
    }
  }

  func stop() { shutdown(descriptor, Int32(SHUT_RDWR)) }

  private func serve() {
    while true {
      let connection = accept(descriptor, nil, nil)
      guard connection >= 0 else { break }
      answer(connection)
      close(connection)
    }
    close(descriptor)
  }

  private func answer(_ connection: Int32) {
    let body = answer(to: form(of: read(connection)))
    let status = body["error"] == nil ? "200 OK" : "401 Unauthorized"
    let json = (try? JSONSerialization.data(withJSONObject: body)) ?? Data()
    let head =
      "HTTP/1.1 \(status)\r\ncontent-type: application/json\r\ncache-control: no-store\r\n"
      + "content-length: \(json.count)\r\nconnection: close\r\n\r\n"
    let bytes = Array(head.utf8) + json
    _ = send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL))
  }

  private func answer(to form: [String: String]) -> [String: Any] {
    guard form["grant_type"] == "client_credentials" else { return ["error": "unsupported_grant_type"] }
    guard let id = form["client_id"], let secret = secrets[id], secret == form["client_secret"] else {
      return ["error": "invalid_client"]
    }
    let token = (0..<4).map { _ in String(UInt64.random(in: .min ... .max), radix: 36) }.joined()
    // A client counts from when the answer came: allow for its way.
    let expiry = ContinuousClock.now.advanced(by: .seconds(lifetime) + TokenServer.leeway)
    grants.withLock { $0[token] = Grant(owner: id, expiry: expiry) }
    return ["access_token": token, "token_type": "Bearer", "expires_in": lifetime]
  }

  /// A request with its body, which `content-length` announces; 64 KiB at most.
  private func read(_ connection: Int32) -> String {
    var text = ""
    var buffer = [UInt8](repeating: 0, count: 4096)
    while text.utf8.count < 65536 {
      let count = recv(connection, &buffer, buffer.count, 0)
      guard count > 0 else { break }
      text += String(decoding: buffer[..<count], as: UTF8.self)
      guard let end = text.range(of: "\r\n\r\n") else { continue }
      let lengths = text[..<end.lowerBound].split(separator: "\r\n").filter {
        $0.lowercased().hasPrefix("content-length:")
      }
      let length = lengths.first?.split(separator: ":").last.flatMap { Int($0.trimmingCharacters(in: .whitespaces)) }
      if text[end.upperBound...].utf8.count >= length ?? 0 { break }
    }
    return text
  }

  private func form(of request: String) -> [String: String] {
    guard let end = request.range(of: "\r\n\r\n") else { return [:] }
    var form: [String: String] = [:]
    for field in request[end.upperBound...].split(separator: "&") {
      let parts = field.split(separator: "=", maxSplits: 1)
      if parts.count == 2 { form[String(parts[0])] = parts[1].removingPercentEncoding }
    }
    return form
  }
}
