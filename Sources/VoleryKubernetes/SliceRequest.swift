import VoleryClient
import VoleryEventLoops
import VoleryNameResolution
import VoleryPlatform
import VoleryTLSSession
import VoleryTypes

/// One question to the API server about a Service's EndpointSlices, and the beginning of its answer.
struct SliceRequest: Sendable {
  var cluster: KubernetesCluster
  var service: String
  /// Nil: the cluster's own.
  var namespace: String?
  var step: SliceWatch.Step
  /// Seconds after which the server ends a watch.
  var watchSeconds = 0
  var limits: HTTPExchange.Limits

  /// Slices of a page.
  private static let pageSize = 50
  private static let maxAddresses = 4
  private static let lookupLimit = Duration.seconds(10)

  /// What was read for it.
  private struct Prepared: Sendable {
    var server: APIServer
    var head: String
    var tls: TLSContext?
  }

  /// An answer whose head is there.
  struct Answer {
    let server: APIServer
    let head: HTTPHead
    let exchange: HTTPExchange
    var events: AsyncStream<HTTPExchange.Event>.Iterator

    /// The rest of it, to its end.
    mutating func body(limit: Int) async throws(KubernetesFailure) -> [UInt8] {
      var bytes: [UInt8] = []
      while let event = await events.next(isolation: #isolation) {
        switch event {
        case .failed(let failure): throw failure
        case .response(.body(let part)):
          exchange.taken(part.count)
          guard bytes.count + part.count <= limit else { throw .malformed("an answer of more than \(limit) bytes") }
          bytes += part
        case .response(.end): return bytes
        case .response(.head): continue
        }
      }
      throw KubernetesFailure(.cut, "the question to the API server was given up")
    }

    /// What a status other than 200 means.
    mutating func failure() async -> KubernetesFailure {
      let bytes = try? await body(limit: 64 << 10)
      let status = bytes.flatMap { try? WatchEvent.json($0) }
      let seconds = head.fields["retry-after"].flatMap { Int($0) }
      return KubernetesFailure(
        status: head.status, body: status, retryAfter: seconds.map { .seconds(min(max($0, 0), 3600)) })
    }
  }

  func target(namespace: String) -> String {
    var target = "/apis/discovery.k8s.io/v1/namespaces/\(namespace)/endpointslices"
    target += "?labelSelector=kubernetes.io%2Fservice-name%3D\(service)"
    switch step {
    case .list(let isExact, let continuation):
      target += "&limit=\(SliceRequest.pageSize)"
      if let continuation {
        target += "&continue=\(SliceRequest.encoded(continuation))"
      } else if !isExact {
        target += "&resourceVersion=0"
      }
    case .watch(let version):
      target += "&watch=true&allowWatchBookmarks=true&resourceVersion=\(SliceRequest.encoded(version))"
      target += "&timeoutSeconds=\(watchSeconds)"
    }
    return target
  }

  /// Versions and continuations are the server's own texts: whatever is in them stays in the query.
  private static func encoded(_ text: String) -> String { URIText.encode(text, keeping: "") }

  /// Asks, at one address after the other until one can be reached.
  func ask() async throws(KubernetesFailure) -> Answer {
    let prepared = try await prepare()
    let loop: EventLoop
    do { loop = try EventLoopGroup.shared().next() } catch {
      throw KubernetesFailure(.configuration, "the system lacks what a connection needs: \(error)")
    }
    var failure = KubernetesFailure(.unreachable, "the API server \(prepared.server) has no address")
    for address in try await addresses(of: prepared.server).prefix(SliceRequest.maxAddresses) {
      let request = HTTPExchange.Request(
        destination: address, tls: prepared.tls, serverName: prepared.server.serverName ?? prepared.server.host,
        head: prepared.head)
      let exchange = HTTPExchange(request, limits: limits, on: loop)
      exchange.start()
      var events = exchange.events.makeAsyncIterator()
      switch await events.next(isolation: #isolation) {
      case .response(.head(let head)):
        return Answer(server: prepared.server, head: head, exchange: exchange, events: events)
      case .failed(let other):
        failure = other
        guard other.kind == .unreachable else { throw other }
      case .response, nil:
        exchange.cancel()
        throw KubernetesFailure(.cut, "the question to the API server was given up")
      }
    }
    throw failure
  }

  /// Reads configuration, token and certificates, where it may block.
  private func prepare() async throws(KubernetesFailure) -> Prepared {
    let result = await BlockingPool.files.value { [self] () -> Result<Prepared, KubernetesFailure> in
      Result { () throws(KubernetesFailure) in
        let server = try cluster.locate()
        let head = try server.head(of: target(namespace: namespace ?? server.namespace))
        return Prepared(server: server, head: head, tls: try server.tlsContext())
      }
    }
    guard let result else { throw KubernetesFailure(.configuration, "too many reads of files hang") }
    return try result.get()
  }

  private func addresses(of server: APIServer) async throws(KubernetesFailure) -> [SocketDestination] {
    if AddressLiteral.isAddress(server.host) { return [.tcp(host: server.host, port: server.port)] }
    let found = await SliceRequest.lookUp(server)
    switch found {
    case .success(let addresses): return addresses
    case .failure(let failure): throw failure
    }
  }

  private static func lookUp(_ server: APIServer) async -> Result<[SocketDestination], KubernetesFailure> {
    await withTaskGroup(of: Result<[SocketDestination], KubernetesFailure>?.self) { group in
      group.addTask { await firstAnswer(server) }
      group.addTask {
        try? await Task.sleep(for: lookupLimit)
        return nil
      }
      defer { group.cancelAll() }
      return await group.next().flatMap { $0 }
        ?? .failure(KubernetesFailure(.unreachable, "the API server's name \(server.host) is not resolved in time"))
    }
  }

  private static func firstAnswer(_ server: APIServer) async -> Result<[SocketDestination], KubernetesFailure>? {
    let updates: ResolutionUpdates
    do throws(TargetError) { updates = try Resolution.updates(of: "dns:///\(server.host):\(server.port)") } catch {
      return .failure(KubernetesFailure(.unreachable, "\(error)"))
    }
    for await found in updates {
      let addresses = found.endpoints.flatMap(\.addresses).compactMap { address -> SocketDestination? in
        if case .tcp(let host, let port) = address { .tcp(host: host, port: port) } else { nil }
      }
      if !addresses.isEmpty { return .success(addresses) }
      let why = found.failure?.message ?? found.source
      return .failure(KubernetesFailure(.unreachable, "the API server's name \(server.host) has no address: \(why)"))
    }
    return nil
  }
}
