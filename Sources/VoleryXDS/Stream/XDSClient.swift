import Logging
import Synchronization
import VoleryClient
import VoleryProtobuf
import VoleryTypes
import VoleryWellKnownTypes

/// One stream to the control plane for all channels of a factory: lets the machine decide, and does what it says. Runs while
/// somebody watches.
final class XDSClient: Sendable {
  private struct Watcher {
    var keys: Set<ResourceKey> = []
    let signal: AsyncStream<Void>.Continuation
  }

  private struct State {
    var machine: ADSMachine
    var watchers: [Int: Watcher] = [:]
    var lastID = 0
    var outbox: AsyncStream<ADSMachine.Request>.Continuation?
    var task: Task<Void, Never>?
    /// Of the stream that counts: one that was given up says no more.
    var stream = 0

    mutating func wantedChanged() {
      machine.want(watchers.values.reduce(into: []) { $0.formUnion($1.keys) }, now: .now)
    }
  }

  let bootstrap: XDSBootstrap
  let accounts = ClusterAccounts()
  private let logger: Logger
  private let credentials: ChannelCredentials?
  private let state: Mutex<State>

  init(_ bootstrap: XDSBootstrap, credentials: ChannelCredentials?, logger: Logger) {
    self.bootstrap = bootstrap
    self.credentials = credentials
    self.logger = logger
    state = Mutex(
      State(machine: ADSMachine(keepsDeleted: bootstrap.serverFeatures.contains("ignore_resource_deletion"))))
  }

  // MARK: Who watches

  /// - Parameter signal: Yields when what the watcher wants may have changed.
  func watch(_ signal: AsyncStream<Void>.Continuation) -> Int {
    state.withLock { state in
      state.lastID += 1
      state.watchers[state.lastID] = Watcher(signal: signal)
      if state.task == nil { state.task = Task { await self.run() } }
      return state.lastID
    }
  }

  func want(_ keys: Set<ResourceKey>, by id: Int) {
    perform { state in
      guard state.watchers[id] != nil else { return }
      state.watchers[id]?.keys = keys
      state.wantedChanged()
    }
  }

  func unwatch(_ id: Int) {
    perform { state in
      state.watchers[id] = nil
      state.wantedChanged()
      guard state.watchers.isEmpty else { return }
      state.task?.cancel()
      state.task = nil
      state.stream += 1
      state.outbox = nil
      state.machine.disconnected(nil)
    }
  }

  func view(_ key: ResourceKey) -> ResourceView { state.withLock { $0.machine.view(key) } }

  private func perform(_ body: (inout State) -> Void) {
    let complaints = state.withLock { state in
      body(&state)
      var complaints: [String] = []
      for action in state.machine.takeActions() {
        switch action {
        case .send(let request): state.outbox?.yield(request)
        case .changed(let key):
          for watcher in state.watchers.values where watcher.keys.contains(key) { watcher.signal.yield() }
        case .complain(let text): complaints.append(text)
        }
      }
      return complaints
    }
    for text in complaints { logger.warning("xds: \(text)") }
  }

  // MARK: The stream

  /// Until the last watcher has gone.
  private func run() async {
    var options = ChannelOptions()
    options.maxResponseMessageBytes = 64 << 20
    options.keepaliveTime = .seconds(300)
    let credentials = credentials ?? (bootstrap.isSecure ? .tls() : .plaintext)
    var pause = Duration.seconds(1)
    while !Task.isCancelled {
      do {
        let channel = try Channel(bootstrap.serverURI, credentials: credentials, options: options)
        defer { channel.close() }
        while !Task.isCancelled {
          let hasHeard = await converse(channel)
          if hasHeard { pause = .seconds(1) }
          try await Task.sleep(for: pause * Double.random(in: 0.8...1.2))
          pause = min(pause * 1.6, .seconds(30))
        }
      } catch {
        guard !Task.isCancelled else { return }
        perform {
          $0.machine.disconnected(StatusError(.unavailable, "xds: the control plane \(bootstrap.serverURI): \(error)"))
        }
        try? await Task.sleep(for: .seconds(5))
      }
    }
  }

  /// Returns whether the control plane has said anything.
  private func converse(_ channel: Channel) async -> Bool {
    let node = bootstrap.node
    let call = WireAggregatedDiscoveryServiceClient(channel).streamAggregatedResources()
    let (requests, outbox) = AsyncStream.makeStream(of: ADSMachine.Request.self)
    let number = begin(outbox)
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
            self.perform { if $0.stream == number { $0.machine.expire(now: .now) } }
          }
        }
        var pace = RefusalPace()
        do {
          for try await response in call {
            hasHeard.withLock { $0 = true }
            guard let type = XDSResourceType.allCases.first(where: { $0.typeURL == response.typeURL }) else { continue }
            let resources = response.resources.map { ReadResource($0, type) }
            self.perform {
              guard $0.stream == number else { return }
              $0.machine.received(
                ADSMachine.Response(
                  type, version: response.versionInfo, nonce: response.nonce, resources: resources))
            }
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
      guard state.stream == number else { return }
      state.outbox = nil
      let text = "xds: the control plane \(bootstrap.serverURI): \(status)"
      state.machine.disconnected(hasAnswered ? nil : StatusError(.unavailable, text))
    }
    return hasAnswered
  }

  /// A stream that is from now on the one that counts; its number, and 0 when nobody watches any more.
  private func begin(_ outbox: AsyncStream<ADSMachine.Request>.Continuation) -> Int {
    var number = 0
    perform { state in
      // Who cancels does it while holding the state.
      guard !Task.isCancelled else { return }
      state.stream += 1
      number = state.stream
      state.outbox = outbox
      state.machine.connected(now: .now)
    }
    return number
  }
}
