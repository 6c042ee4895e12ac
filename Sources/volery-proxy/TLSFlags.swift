import ArgumentParser
import VoleryProxyConfiguration

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

  func validate() throws {
    guard targetTLS || (targetCA == nil && targetCert == nil && targetServerName == nil) else {
      throw ValidationError("--target-ca, --target-cert and --target-server-name are for --target-tls")
    }
  }

  var arguments: [SettingArgument] {
    var arguments: [SettingArgument] = []
    func add(_ option: String, _ section: String, _ key: String, _ value: String?) {
      if let value { arguments.append(SettingArgument(option, section, key, values: .one(value))) }
    }
    if targetTLS { arguments.append(SettingArgument("--target-tls", "targetTls", values: .section)) }
    add("--cert", "tls", "certificate", cert)
    add("--key", "tls", "key", key)
    add("--client-ca", "tls", "clients", clientCA)
    add("--target-ca", "targetTls", "roots", targetCA)
    add("--target-cert", "targetTls", "certificate", targetCert)
    add("--target-key", "targetTls", "key", targetKey)
    add("--target-server-name", "targetTls", "serverName", targetServerName)
    return arguments
  }
}
