import Synchronization
public import VoleryObservation
import VoleryTypes

/// What the channels and servers of a process do, for people: a page of HTML that shows it and keeps itself up to date, and the JSON
/// that it reads for that. Whatever HTTP server the program has gives them out:
///
///     let page = StatusPage()
///     channelOptions.observers = [page]
///     serverOptions.observers = [page]
///     router.get("/") { ... StatusPage.html ... StatusPage.headers ... }
///     router.get("/status.json") { ... page.json ... }
///
/// One for all channels and servers of a process. It shows names, addresses, counts and errors of connections, and takes no orders; still
/// it tells a stranger what stands where, so that its port belongs on the loopback interface, or behind somebody who asks who comes
/// (Docs/StatusPage.md). Nothing of a call's metadata or messages is in it; its memory is bounded (`StatusOptions`).
public final class StatusPage: Observer {
  fileprivate struct State {
    var channels: [Int: ChannelRecord] = [:]
    var servers: [Int: ServerRecord] = [:]
    /// Ids of channels and servers that there was no room for.
    var leftOut: Set<Int> = []
  }

  /// Ids that are remembered only to be counted.
  private static let maxLeftOut = 10_000

  private let options: StatusOptions
  private let clock: StatusClock
  private let state = Mutex(State())

  /// A page that has seen nothing yet.
  public convenience init(options: StatusOptions = StatusOptions()) {
    self.init(options: options, clock: StatusClock())
  }

  package init(options: StatusOptions, clock: StatusClock) {
    self.options = options
    self.clock = clock
  }

  /// What there is to be seen now.
  public var snapshot: StatusSnapshot {
    let now = clock.now()
    let state = state.withLock { $0 }
    var snapshot = StatusSnapshot()
    snapshot.age = clock.start.duration(to: now)
    snapshot.leftOut = state.leftOut.count
    snapshot.channels = state.channels.sorted { $0.key < $1.key }.map { $0.value.status(at: now) }
    snapshot.servers = state.servers.sorted { $0.key < $1.key }.map { $0.value.status(at: now) }
    return snapshot
  }

  /// The same as JSON (`application/json`): what the page reads, every second while somebody looks at it, as `status.json` beside
  /// itself. Its form is the page's own, and may change with it.
  public var json: [UInt8] { snapshot.json }

  // MARK: Observer

  /// Called by the channel that it observes; nil: nothing is to be told of this call.
  public func callStarted(_ call: ObservedCall) -> (any CallObserver)? {
    guard let record = state.withLock({ $0.channels[call.channel.id] }) else { return nil }
    record.callStarted()
    return record
  }

  /// Called by the server that it observes; nil: nothing is to be told of this call.
  public func callStarted(_ call: ObservedServerCall) -> (any ServerCallObserver)? {
    state.withLock { $0.servers[call.server.id] }?.callStarted(call)
  }

  /// Called by the channel that it observes.
  public func happened(_ event: ChannelEvent, to channel: ObservedChannel) {
    if case .closed = event {
      return state.withLock { state in
        state.channels[channel.id] = nil
        state.leftOut.remove(channel.id)
      }
    }
    if case .created = event {
      state.withLock { state in
        guard state.channels.count < options.maxChannels else {
          return state.leaveOut(channel.id, StatusPage.maxLeftOut)
        }
        state.channels[channel.id] = ChannelRecord(channel, options, clock)
      }
    }
    state.withLock { $0.channels[channel.id] }?.happened(event)
  }

  /// Called by the server that it observes.
  public func happened(_ event: ServerEvent, to server: ObservedServer) {
    if case .stopped = event {
      return state.withLock { state in
        state.servers[server.id] = nil
        state.leftOut.remove(server.id)
      }
    }
    if case .listening = event {
      state.withLock { state in
        guard state.servers[server.id] == nil else { return }
        guard state.servers.count < options.maxServers else { return state.leaveOut(server.id, StatusPage.maxLeftOut) }
        state.servers[server.id] = ServerRecord(server, options, clock)
      }
    }
    state.withLock { $0.servers[server.id] }?.happened(event)
  }
}

extension StatusPage.State {
  fileprivate mutating func leaveOut(_ id: Int, _ limit: Int) {
    if leftOut.count < limit { leftOut.insert(id) }
  }
}
