package import VoleryNameResolution
import VoleryPlatform
import VoleryPrimitives
package import VoleryTLSSession

/// An API server, and as whom to ask it. Its text has no secret.
package struct APIServer: Hashable, Sendable, CustomStringConvertible {
  package enum Token: Hashable, Sendable {
    case text(String)
    case file(String)
  }

  package var host: String
  package var port: Int
  package var isSecure: Bool
  /// In front of `/apis`; empty, or it begins with `/`.
  package var path = ""
  /// Of its certificate; nil: `host`.
  package var serverName: String?
  package var verification = TLSVerification.full
  package var roots = TLSRoots.system
  package var identity: TLSKeyPair?
  package var token: Token?
  package var namespace = "default"

  package init(host: String, port: Int, isSecure: Bool) {
    self.host = host
    self.port = port
    self.isSecure = isSecure
  }

  package init(url: String) throws(TargetError) {
    let parts = url.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count >= 3, parts[1].isEmpty, ["https:", "http:"].contains(parts[0].lowercased()),
      !url.contains("@"), !url.contains("?"), url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }),
      let place = HostAndPort(parts[2], defaultPort: parts[0].lowercased() == "https:" ? 443 : 80)
    else { throw TargetError("\"\(String(foreign: url))\" is no URL of an API server, as https://10.0.0.1:6443") }
    self.init(host: place.host, port: place.port, isSecure: parts[0].lowercased() == "https:")
    path = parts.dropFirst(3).filter { !$0.isEmpty }.map { "/\($0)" }.joined()
  }

  package var description: String {
    "\(isSecure ? "https" : "http")://\(authority)"
  }

  private var authority: String { AddressLiteral.text(host: host, port: port) }

  /// The head of a GET. Blocks: the token is read.
  ///
  /// - Parameter target: From `/apis` on, with its query.
  package func head(of target: String) throws(KubernetesFailure) -> String {
    var head = "GET \(path)\(target) HTTP/1.1\r\nHost: \(authority)\r\nAccept: application/json\r\n"
    head += "User-Agent: volery\r\nConnection: close\r\n"
    if let token = try tokenText() { head += "Authorization: Bearer \(token)\r\n" }
    return head + "\r\n"
  }

  private func tokenText() throws(KubernetesFailure) -> String? {
    let text: String
    switch token {
    case nil: return nil
    case .text(let token): text = token
    case .file(let path):
      do throws(SmallFile.Failure) {
        text = String(decoding: try SmallFile.content(of: path, limit: 64 << 10), as: UTF8.self)
      } catch {
        throw KubernetesFailure(.configuration, "the token \(String(foreign: path)) can't be read: \(error.text)")
      }
    }
    let token = text.split { $0.isWhitespace }.first ?? ""
    guard !token.isEmpty, token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw KubernetesFailure(.configuration, "the token is empty, or no token")
    }
    return String(token)
  }

  /// What TLS is made from; nil without it. Blocks: the files are read.
  func tlsContext() throws(KubernetesFailure) -> TLSContext? {
    guard isSecure else { return nil }
    do throws(TLSError) {
      return try TLSContext(
        TLSConfiguration(
          role: .client, keyPair: identity,
          peer: .init(demand: .required, verification: verification, roots: roots), applicationProtocol: "http/1.1"))
    } catch {
      throw KubernetesFailure(.configuration, "the credentials for the API server can't be used: \(error)")
    }
  }
}
