import VoleryEventLoops
import VoleryTypes

/// Finds the SRV records of a name (RFC 2782) and the addresses of their targets: those that came along in the additional
/// section, the others by A and AAAA. On its loop only.
final class ServiceSearch {
  private struct Service {
    var priority: UInt16
    var weight: UInt16
    var port: UInt16
    var target: String
  }

  private let client: DNSClient
  private let memory: DNSMemory
  private let loop: EventLoop
  private let answered: (DNSAnswer) -> Void
  private var services: [Service] = []
  private var addresses: [String: [String]] = [:]
  private var unasked: ArraySlice<String> = []
  private var running = 0
  private var failure: String?

  /// The most records that are taken; targets that are asked for at once.
  private static let maxServices = 1024
  private static let maxRunning = 32
  /// How long a target's addresses of one family wait for the other's (RFC 8305, 3).
  private static let resolutionDelay = Duration.milliseconds(50)

  /// - Parameter answered: Called once.
  init(_ client: DNSClient, memory: DNSMemory, on loop: EventLoop, answered: @escaping (DNSAnswer) -> Void) {
    self.client = client
    self.memory = memory
    self.loop = loop
    self.answered = answered
  }

  func start(_ names: [String]) {
    RecordSearch(client, .srv) { [self] reply in
      switch reply {
      case .none(let reason): answered(.none(reason))
      case .failed(let reason): answered(.failed(reason))
      case .message(let message): received(message)
      }
    }.start(names)
  }

  private func received(_ message: DNSMessage) {
    for record in message.answers.prefix(ServiceSearch.maxServices) {
      // The root as target: there is no such service here.
      guard case .service(let priority, let weight, let port, let target) = record, !target.isEmpty else {
        continue
      }
      services.append(Service(priority: priority, weight: weight, port: port, target: target))
    }
    addresses = message.additional.mapValues { Array($0.prefix(16)) }
    var seen: Set<String> = []
    unasked = services.map(\.target).filter { addresses[$0] == nil && seen.insert($0).inserted }[...]
    askMore()
  }

  private func askMore() {
    while running < ServiceSearch.maxRunning, let target = unasked.popFirst() {
      running += 1
      ask(target)
    }
    if running == 0 { finish() }
  }

  private func ask(_ target: String) {
    let search = TargetSearch(client, on: loop) { [self] found in
      running -= 1
      switch found {
      case .addresses(let list): addresses[target] = list
      case .failed(let reason):
        failure = failure ?? "\(target): \(reason)"
        addresses[target] = memory.targets[target]
      default: break
      }
      askMore()
    }
    search.start(target, delay: ServiceSearch.resolutionDelay)
  }

  private func finish() {
    let endpoints = makeEndpoints()
    memory.targets = addresses.filter { name, _ in services.contains { $0.target == name } }
    if !endpoints.isEmpty { return answered(.endpoints(endpoints)) }
    if let failure { return answered(.failed(failure)) }
    answered(.none(services.isEmpty ? "the service is not offered" : "the targets have no addresses"))
  }

  private func makeEndpoints() -> [Endpoint] {
    // A share that is the same for all says nothing, and Kubernetes changes it with each pod.
    let isWeighted = Set(services.map(\.weight)).count > 1
    let isOrdered = Set(services.map(\.priority)).count > 1
    return services.flatMap { service -> [Endpoint] in
      let found = addresses[service.target] ?? []
      var endpoints = DNSMerge.endpoints(
        found.filter { !$0.contains(":") }, found.filter { $0.contains(":") }, port: Int(service.port))
      for index in endpoints.indices {
        if isWeighted { endpoints[index].attributes.weight = UInt32(max(1, service.weight)) }
        if isOrdered { endpoints[index].attributes.priority = UInt32(service.priority) }
      }
      return endpoints
    }
  }
}

/// The addresses of one SRV target, both families. On its loop only.
private final class TargetSearch {
  private let client: DNSClient
  private let loop: EventLoop
  private let completion: (DNSAnswer) -> Void
  private var answers: [DNSPart: DNSAnswer] = [:]
  private var isDone = false

  init(_ client: DNSClient, on loop: EventLoop, completion: @escaping (DNSAnswer) -> Void) {
    self.client = client
    self.loop = loop
    self.completion = completion
  }

  func start(_ name: String, delay: Duration) {
    AddressSearch(client) { [self] part, answer, _ in
      answers[part] = answer
      if answers.count == 2 { return finish() }
      if answer.isFound { _ = loop.schedule(after: delay) { [self] in finish() } }
    }.start([name])
  }

  private func finish() {
    guard !isDone else { return }
    isDone = true
    var found: [String] = []
    var failure: DNSAnswer?
    for part in [DNSPart.ipv4, .ipv6] {
      switch answers[part] {
      case .addresses(let list)?: found += list
      case .failed?: failure = answers[part]
      default: break
      }
    }
    completion(found.isEmpty ? failure ?? .none("no address") : .addresses(found))
  }
}
