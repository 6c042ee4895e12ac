import VoleryEventLoops
package import VoleryTypes

/// What a look-up finds out, each by itself.
package enum DNSPart: Hashable, Sendable {
  case ipv4
  case ipv6
  /// SRV records with their targets' addresses.
  case service
  /// The service config's TXT records.
  case config
}

/// What one part came to.
package enum DNSAnswer: Sendable, Equatable {
  case addresses([String])
  case endpoints([Endpoint])
  case texts([String])
  /// NXDOMAIN, or no record of this type.
  case none(String)
  /// A time-out, SERVFAIL, a malformed answer.
  case failed(String)

  var isFound: Bool {
    switch self {
    case .addresses, .endpoints, .texts: true
    case .none, .failed: false
    }
  }
}

/// What is looked up.
struct DNSQuery: Hashable, Sendable {
  enum Kind: Hashable, Sendable {
    /// A and AAAA, for this port.
    case addresses(port: Int)
    case service
  }

  /// `ip:port` to ask instead of the servers of resolv.conf.
  var server: String?
  /// May be short: the search list counts, unless a dot ends it.
  var name: String
  var kind: Kind
  /// Whether the TXT records of the service config are asked for (gRFC A2).
  var readsConfig = false
  var configurationPath = ResolverConfiguration.path

  var parts: Set<DNSPart> {
    var parts: Set<DNSPart> = kind == .service ? [.service] : [.ipv4, .ipv6]
    if readsConfig { parts.insert(.config) }
    return parts
  }

  /// The name without the `_service._proto` of SRV records (RFC 2782).
  var host: String {
    let labels = name.split(separator: ".", omittingEmptySubsequences: false)
    let rest = labels.drop { $0.hasPrefix("_") }
    return rest.isEmpty ? name : rest.joined(separator: ".")
  }
}

/// What one look-up leaves to the next. On its loop only.
final class DNSMemory {
  /// The name that was found by the search list.
  var foundName: String?
  /// The addresses of SRV targets.
  var targets: [String: [String]] = [:]
}

/// One look-up: every part asked for by itself, each told as it comes. On its loop only.
final class DNSLookup {
  private let query: DNSQuery
  private let memory: DNSMemory
  private let loop: EventLoop
  private let answered: (DNSPart, DNSAnswer) -> Void
  private var client: DNSClient?
  private var filesTimer: LoopTimer?
  private var isCancelled = false

  /// - Parameter answered: Called once for each part, on the loop, never from inside this initializer; not after `cancel`.
  init(
    _ query: DNSQuery, memory: DNSMemory, on loop: EventLoop, answered: @escaping (DNSPart, DNSAnswer) -> Void
  ) {
    self.query = query
    self.memory = memory
    self.loop = loop
    self.answered = answered
    loop.execute { [self] in start() }
  }

  private func start() {
    guard !isCancelled else { return }
    let isTaken = BlockingPool.names.run { [weak self, query, loop] in
      guard self != nil else { return }
      let files = SystemFiles.read(for: query, on: loop)
      loop.execute { [weak self] in self?.start(files) }
    }
    guard isTaken else { return fail("too many reads of the system's files hang") }
    filesTimer = loop.schedule(after: SystemFiles.limit) { [weak self] in
      self?.fail("\(ResolverConfiguration.path) and /etc/hosts were not read within \(SystemFiles.limit)")
    }
  }

  private func fail(_ reason: String) {
    for part in query.parts { tell(part, .failed(reason)) }
  }

  private func start(_ files: SystemFiles) {
    guard !isCancelled, let timer = filesTimer.take() else { return }
    timer.cancel()
    guard let client = files.client else {
      return fail("c-ares can't be set up" + (query.server.map { " to ask \($0)" } ?? ""))
    }
    self.client = client
    let configuration = files.configuration
    switch query.kind {
    case .addresses: findAddresses(client, files)
    case .service:
      ServiceSearch(client, memory: memory, on: loop) { [self] in tell(.service, $0) }
        .start(configuration.candidates(for: query.name))
    }
    if query.readsConfig {
      let names = configuration.candidates(for: query.host).map { "_grpc_config.\($0)" }
      RecordSearch(client, .txt) { [self] in tell(.config, DNSLookup.texts($0)) }.start(names)
    }
  }

  private func findAddresses(_ client: DNSClient, _ files: SystemFiles) {
    if let local = files.local {
      for part in [DNSPart.ipv4, .ipv6] {
        tell(part, local[part].map { .addresses($0) } ?? .none("not in /etc/hosts"))
      }
      return
    }
    let search = AddressSearch(client, foundBefore: memory.foundName) { [self] part, answer, name in
      if answer.isFound { memory.foundName = name }
      tell(part, answer)
    }
    search.start(files.configuration.candidates(for: query.name))
  }

  private static func texts(_ reply: DNSReply) -> DNSAnswer {
    switch reply {
    case .none(let reason): return .none(reason)
    case .failed(let reason): return .failed(reason)
    case .message(let message):
      return .texts(
        message.answers.compactMap { record in
          if case .text(let text) = record { text } else { nil }
        })
    }
  }

  private func tell(_ part: DNSPart, _ answer: DNSAnswer) {
    loop.execute { [self] in
      if !isCancelled { answered(part, answer) }
    }
  }

  /// Forgets what has not been answered.
  func cancel() {
    isCancelled = true
    filesTimer.take()?.cancel()
    client?.close()
    client = nil
  }
}

extension DNSLookup: @unchecked Sendable {}  // Isolation: loop
