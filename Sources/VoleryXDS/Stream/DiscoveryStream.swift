import Logging
import Synchronization
import VoleryClient
import VoleryProtobuf
import VoleryTypes
import VoleryWellKnownTypes

/// What one set of control planes tells all channels of a client: a stream to the first of them that answers; the ones before it are
/// tried on, and take over when they do (gRFC A71). Lets values decide, and does what they say. Runs while something is wanted.
final class DiscoveryStream: Sendable {
  /// The stream that counts.
  private struct Drive {
    let number: Int
    let server: Int
    let outbox: AsyncStream<ADSMachine.Request>.Continuation
    var hasHeard = false
  }

  private struct State {
    var machine = ADSMachine()
    var choice: ServerChoice
    var drive: Drive?
    var lastNumber = 0
    /// Whose versions the machine has.
    var lastServer = 0
    /// One for each server that is asked.
    var tasks: [Int: Task<Void, Never>] = [:]
    /// Of each that is asked: whether its stream works, as far as is known.
    var works: [Int: Bool] = [:]
    /// For observers.
    var reports: [ClientObservation.Report] = []
  }

  private let servers: [XDSServer]
  private let settings: ClientSettings
  private let changed: @Sendable (Set<ResourceKey>) -> Void
  /// Nil: nobody observes.
  private let observation: ClientObservation?
  private let state: Mutex<State>

  /// - Parameter changed: Called when what is known of these has changed; not while a lock is held.
  init(
    _ servers: [XDSServer], _ settings: ClientSettings, _ observation: ClientObservation? = nil,
    changed: @escaping @Sendable (Set<ResourceKey>) -> Void
  ) {
    self.servers = servers
    self.settings = settings
    self.observation = observation
    self.changed = changed
    state = Mutex(State(choice: ServerChoice(count: servers.count)))
  }

  func view(_ key: ResourceKey) -> ResourceView { state.withLock { $0.machine.view(key) } }

  /// All that is known of its resources, for those who look from outside (gRFC A40).
  var dump: [ResourceDump] { state.withLock { $0.machine.dump } }

  /// Exactly these are wanted from now on.
  func want(_ keys: Set<ResourceKey>) {
    perform { state in
      state.machine.want(keys, now: .now)
      if keys.isEmpty {
        for (server, task) in state.tasks { leave(server, task, &state) }
        state.drive = nil
        state.choice = ServerChoice(count: servers.count)
        state.machine.disconnected(nil)
      } else if state.tasks.isEmpty {
        ask(0, &state)
      } else if state.machine.isMissing, let next = state.choice.wanted() {
        ask(next, &state)
      }
    }
  }

  private func ask(_ server: Int, _ state: inout State) {
    guard state.tasks[server] == nil else { return }
    state.tasks[server] = Task { await self.run(server) }
  }

  private func leave(_ server: Int, _ task: Task<Void, Never>, _ state: inout State) {
    task.cancel()
    state.tasks[server] = nil
    state.reports.append(.serverLeft(server: servers[server].uri))
    state.works[server] = nil
  }

  /// Only what is new is told.
  private func note(_ server: Int, works: Bool, _ state: inout State) {
    guard state.works[server] != works else { return }
    state.works[server] = works
    state.reports.append(.connection(server: servers[server].uri, works: works))
  }

  private func perform(_ body: (inout State) -> Void) {
    var keys: Set<ResourceKey> = []
    var reports: [ClientObservation.Report] = []
    let complaints = state.withLock { state in
      body(&state)
      if observation != nil {
        let states = state.machine.dump.map { ($0.key, $0.state) }
        reports = state.reports + [.resources(Dictionary(states) { $1 })]
      }
      state.reports = []
      var complaints: [String] = []
      for action in state.machine.takeActions() {
        switch action {
        case .send(let request): state.drive?.outbox.yield(request)
        case .changed(let key): keys.insert(key)
        case .complain(let text): complaints.append(text)
        }
      }
      return complaints
    }
    for report in reports { observation?.heard(report, from: servers) }
    for text in complaints { settings.logger.warning("xds: \(text)") }
    if !keys.isEmpty { changed(keys) }
  }

  // MARK: The streams

  /// Until nobody needs the server any more.
  private func run(_ server: Int) async {
    var options = ChannelOptions()
    options.maxResponseMessageBytes = 64 << 20
    options.keepaliveTime = .seconds(300)
    let uri = servers[server].uri
    var pause = StreamPause()
    while !Task.isCancelled {
      do {
        let channel = try Channel(uri, credentials: settings.credentials(for: servers[server]), options: options)
        defer { channel.close() }
        while !Task.isCancelled {
          let hasHeard = await converse(channel, server)
          try await Task.sleep(for: pause.ended(hasHeard: hasHeard, random: .random(in: 0..<1)))
        }
      } catch {
        guard !Task.isCancelled else { return }
        perform { failed(server, StatusError(.unavailable, "xds: the control plane \(uri): \(error)"), &$0) }
        try? await Task.sleep(for: .seconds(5))
      }
    }
  }

  /// Returns whether the control plane has said anything.
  private func converse(_ channel: Channel, _ server: Int) async -> Bool {
    let node = settings.bootstrap.node
    let call = WireAggregatedDiscoveryServiceClient(channel).streamAggregatedResources()
    let (requests, outbox) = AsyncStream.makeStream(of: ADSMachine.Request.self)
    let number = begin(server, outbox)
    guard number > 0 else {
      call.cancel()
      return false
    }
    let hasHeard = Mutex(false)
    await withTaskCancellationHandler {
      await withTaskGroup { group in
        group.addTask {
          var isFirst = true
          for await request in requests {
            guard (try? await call.send(WireDiscoveryRequest(request, node: isFirst ? node : nil))) != nil else {
              break
            }
            isFirst = false
          }
        }
        group.addTask {
          while !Task.isCancelled {
            // A limit that is set while there is none lies at least that far away.
            let limit =
              self.state.withLock { $0.machine.nextLimit } ?? .now.advanced(by: ADSMachine.doesNotExistTimeout)
            guard (try? await Task.sleep(until: limit, clock: .continuous)) != nil else { return }
            self.perform { if $0.drive?.number == number { $0.machine.expire(now: .now) } }
          }
        }
        var pace = RefusalPace()
        do {
          for try await response in call {
            if !hasHeard.withLock({ $0.exchange(true) }) {
              group.addTask { await self.settings.reporter(self.servers).run(channel) }
            }
            guard let type = XDSResourceType.allCases.first(where: { $0.typeURL == response.typeURL }) else { continue }
            let resources = response.resources.map { ReadResource($0, type, self.settings.context) }
            self.heard(
              ADSMachine.Response(type, version: response.versionInfo, nonce: response.nonce, resources: resources),
              Drive(number: number, server: server, outbox: outbox))
            if resources.contains(where: \.isRefused) { try await Task.sleep(for: pace.refused(now: .now)) }
          }
        } catch {}
        group.cancelAll()
      }
    } onCancel: {
      call.cancel()
    }
    outbox.finish()
    let hasAnswered = hasHeard.withLock { $0 }
    let status = await call.status
    perform { state in
      if state.drive?.number == number {
        state.drive = nil
        state.machine.disconnected(nil)
      }
      // One that was heard and has ended is nobody's business (gRFC A57).
      guard !hasAnswered, !Task.isCancelled else { return }
      failed(server, StatusError(.unavailable, "xds: the control plane \(servers[server].uri): \(status)"), &state)
    }
    return hasAnswered
  }

  /// A stream that counts if no other one does; its number, and 0 when nobody needs it.
  private func begin(_ server: Int, _ outbox: AsyncStream<ADSMachine.Request>.Continuation) -> Int {
    var number = 0
    perform { state in
      // Who cancels does it while holding the state.
      guard !Task.isCancelled else { return }
      state.lastNumber += 1
      number = state.lastNumber
      if state.works[server] == nil { note(server, works: true, &state) }
      let drive = Drive(number: number, server: server, outbox: outbox)
      if state.drive == nil {
        adopt(drive, &state)
      } else {
        for request in state.machine.firstRequests { outbox.yield(request) }
      }
    }
    return number
  }

  private func adopt(_ drive: Drive, _ state: inout State) {
    state.drive = drive
    state.machine.keepsDeleted = servers[drive.server].features.contains("ignore_resource_deletion")
    state.machine.connected(now: .now, isSameServer: drive.server == state.lastServer)
    state.lastServer = drive.server
  }

  private func heard(_ response: ADSMachine.Response, _ drive: Drive) {
    perform { state in
      // Who cancels does it while holding the state.
      guard !Task.isCancelled else { return }
      note(drive.server, works: true, &state)
      let invalid = response.resources.count(where: \.isRefused)
      state.reports.append(
        .received(
          server: servers[drive.server].uri, type: response.type, valid: response.resources.count - invalid,
          invalid: invalid))
      if state.drive?.number != drive.number {
        if let other = state.drive, other.hasHeard, other.server <= drive.server { return }
        state.machine.disconnected(nil)
        adopt(drive, &state)
      }
      state.drive?.hasHeard = true
      state.choice.heard(drive.server)
      for (server, task) in state.tasks where server > drive.server {
        leave(server, task, &state)
      }
      state.machine.received(response, at: .now)
    }
  }

  private func failed(_ server: Int, _ error: StatusError, _ state: inout State) {
    note(server, works: false, &state)
    switch state.choice.failed(server, isMissing: state.machine.isMissing) {
    case .begin(let next): ask(next, &state)
    case .stay: break
    case .exhausted: if state.drive == nil { state.machine.disconnected(error) }
    }
  }
}

extension Bool {
  fileprivate mutating func exchange(_ value: Bool) -> Bool {
    defer { self = value }
    return self
  }
}
