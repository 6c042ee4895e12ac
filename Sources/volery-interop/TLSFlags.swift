import ArgumentParser
import Volery

/// A client's TLS.
struct TLSFlags: ParsableArguments {
  @Option(
    name: .customLong("ca_file"), help: "Who may have signed the server's certificate; the system's roots without.")
  var authority: String?
  @Option(name: .customLong("cert"), help: "The client's certificate, for mutual TLS.") var certificate: String?
  @Option(name: .customLong("key"), help: "Its private key.") var key: String?

  func validate() throws {
    guard (certificate == nil) == (key == nil) else { throw ValidationError("--cert and --key belong together") }
  }

  /// Where no flag of its own says so.
  var isWanted: Bool { authority != nil || certificate != nil }

  func credentials(serverName: String?) -> ChannelCredentials {
    var identity: TLSKeyPair?
    if let certificate, let key { identity = .pair(certificate: .file(certificate), key: .file(key)) }
    return .tls(roots: authority.map { .file($0) } ?? .system, identity: identity, serverName: serverName)
  }
}
