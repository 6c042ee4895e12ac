import CCares
import VoleryEventLoops
import VoleryTypes

/// What a look-up needs of the system's files: resolv.conf, which c-ares reads too, and /etc/hosts. Read anew for each
/// look-up, for they may change while the program runs, and on a thread of its own, for they may hang.
struct SystemFiles: @unchecked Sendable {  // Isolation: handed over
  /// Nil when c-ares can't be set up.
  let client: DNSClient?
  let configuration: ResolverConfiguration
  /// Of /etc/hosts, which comes first, as everywhere else; nil where it does not know the name.
  var local: [DNSPart: [String]]?

  /// How long the files may take; then the look-up fails.
  static let limit = Duration.seconds(5)

  /// Blocks.
  static func read(for query: DNSQuery, on loop: EventLoop) -> SystemFiles {
    let configuration = ResolverConfiguration.current(query.configurationPath)
    let client = DNSClient.make(for: query, configuration: configuration, on: loop)
    var files = SystemFiles(client: client, configuration: configuration)
    guard query.server == nil, case .addresses = query.kind, let client else { return files }
    let local = [DNSPart.ipv4: client.hostsFile(query.name, .a), .ipv6: client.hostsFile(query.name, .aaaa)]
    if local.values.contains(where: { $0 != nil }) { files.local = local.compactMapValues { $0 } }
    return files
  }
}
