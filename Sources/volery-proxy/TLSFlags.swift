import ArgumentParser
import Volery

/// TLS towards clients, and towards servers.
struct TLSFlags: ParsableArguments {
  @Option(help: "The proxy's certificate for clients, a PEM file: TLS on the port.") var cert: String?
  @Option(help: "Its private key.") var key: String?
  @Option(name: .customLong("client-ca"), help: "Clients need a certificate that these have signed.") var clientCA:
    String?
  @Flag(name: .customLong("target-tls"), help: "TLS to the servers.") var targetTLS = false
  @Option(name: .customLong("target-ca"), help: "Who may have signed their certificates; the system's authorities.")
  var targetCA: String?
  @Option(name: .customLong("target-cert"), help: "The proxy's certificate for servers.") var targetCert: String?
  @Option(name: .customLong("target-key"), help: "Its private key.") var targetKey: String?
  @Option(name: .customLong("target-server-name"), help: "The name that servers' certificates are for; the target's.")
  var targetServerName: String?

  func check() throws {
    guard (cert == nil) == (key == nil), cert != nil || clientCA == nil else {
      throw ValidationError("--cert and --key belong together, and --client-ca to both")
    }
    guard (targetCert == nil) == (targetKey == nil) else {
      throw ValidationError("--target-cert and --target-key belong together")
    }
    guard targetTLS || (targetCA == nil && targetCert == nil && targetServerName == nil) else {
      throw ValidationError("--target-ca, --target-cert and --target-server-name are for --target-tls")
    }
  }

  var server: ServerCredentials {
    guard let cert, let key else { return .plaintext }
    return .tls(
      certificate: .file(cert), key: .file(key), clients: clientCA.map { .required(.file($0)) } ?? .notAsked)
  }

  var channel: ChannelCredentials {
    guard targetTLS else { return .plaintext }
    var identity: TLSKeyPair?
    if let targetCert, let targetKey { identity = .pair(certificate: .file(targetCert), key: .file(targetKey)) }
    return .tls(
      roots: targetCA.map { .file($0) } ?? .system, identity: identity, serverName: targetServerName)
  }
}
