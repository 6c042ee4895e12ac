import Synchronization
public import VoleryServer
import VoleryTypes

/// `grpc.health.v1.Health`: tells load balancers and probes whether the server, and each of its services, wants calls
/// (grpc/grpc doc/health-checking.md; List by gRFC A90).
///
///     let health = Health()
///     let server = Server(services: [Greeter(), health])
///     health.set(.notServing, for: "demo.Greeter")
///
/// The server as a whole (the empty name) serves until it is told otherwise; a server that is being drained tells it.
public struct Health: HealthService, DrainObserving {
  /// What `set` can say of a service; SERVICE_UNKNOWN is what Watch answers for one that was never set.
  public enum Status: Hashable, Sendable {
    /// SERVING: calls are welcome. NOT_SERVING: they had better go to another server.
    case serving, notServing
  }

  private let board = StatusBoard()

  /// The server as a whole serves, and so do the services that are named.
  ///
  /// - Parameter services: Full names that serve from the start, besides the server as a whole.
  public init(services: [String] = []) {
    for name in [""] + services { board.set(.serving, for: name) }
  }

  /// What Check and Watch answer for a service from now on; the empty name is the server as a whole.
  public func set(_ status: Status, for service: String = "") { board.set(status, for: service) }

  /// Everything is NOT_SERVING from now on, whatever is set later.
  public func drainBegan() { board.close() }

  /// The status of one service, or of the server as a whole for the empty name.
  ///
  /// - Throws: `StatusError` NOT_FOUND for a service that was never set.
  public func check(_ request: HealthCheckRequest, context: ServerContext) async throws -> HealthCheckResponse {
    guard let status = board.status(of: request.service) else {
      throw StatusError(.notFound, "unknown service \"\(request.service)\"")
    }
    return HealthCheckResponse(status: status.onTheWire)
  }

  /// The status of every service that was set, the server as a whole under the empty name.
  ///
  /// - Throws: `StatusError` RESOURCE_EXHAUSTED for more than 100 (gRFC A90).
  public func list(_ request: HealthListRequest, context: ServerContext) async throws -> HealthListResponse {
    let all = board.all
    guard all.count <= 100 else {
      throw StatusError(.resourceExhausted, "\(all.count) services are more than the 100 that a list may have")
    }
    return HealthListResponse(statuses: all.mapValues { HealthCheckResponse(status: $0.onTheWire) })
  }

  /// The status now and each change of it, SERVICE_UNKNOWN while it was never set. A reader that is slow gets the newest
  /// only. It ends when the server is drained, after NOT_SERVING.
  public func watch(
    _ request: HealthCheckRequest, responses: ResponseWriter<HealthCheckResponse>, context: ServerContext
  ) async throws {
    for await status in board.changes(of: request.service) {
      try await responses.write(HealthCheckResponse(status: status?.onTheWire ?? .serviceUnknown))
    }
  }
}

extension Health.Status {
  var onTheWire: HealthCheckResponse.ServingStatus { self == .serving ? .serving : .notServing }
}

/// The statuses, and who wants to hear of their changes.
private final class StatusBoard: Sendable {
  typealias Status = Health.Status

  private struct State {
    var statuses: [String: Status] = [:]
    var watchers: [Int: (service: String, continuation: AsyncStream<Status?>.Continuation)] = [:]
    var nextID = 0
    var isClosed = false
  }

  private let state = Mutex(State())

  var all: [String: Status] { state.withLock { $0.statuses } }

  func status(of service: String) -> Status? { state.withLock { $0.statuses[service] } }

  func set(_ status: Status, for service: String) {
    state.withLock { state in
      guard !state.isClosed, state.statuses[service] != status else { return }
      state.statuses[service] = status
      for watcher in state.watchers.values where watcher.service == service { watcher.continuation.yield(status) }
    }
  }

  func close() {
    state.withLock { state in
      state.isClosed = true
      state.statuses = state.statuses.mapValues { _ in .notServing }
      for watcher in state.watchers.values {
        if state.statuses[watcher.service] != nil { watcher.continuation.yield(.notServing) }
        // The last answer; ending the stream lets the server's connections end, too.
        watcher.continuation.finish()
      }
      state.watchers = [:]
    }
  }

  /// The status now, then every change; only the newest waits for a slow reader.
  func changes(of service: String) -> AsyncStream<Status?> {
    let (stream, continuation) = AsyncStream.makeStream(of: Status?.self, bufferingPolicy: .bufferingNewest(1))
    state.withLock { state in
      continuation.yield(state.statuses[service])
      guard !state.isClosed else { return continuation.finish() }
      state.nextID += 1
      let id = state.nextID
      state.watchers[id] = (service, continuation)
      continuation.onTermination = { [weak self] _ in
        // On another task: the stream may be ended from under the lock.
        Task { self?.state.withLock { $0.watchers[id] = nil } }
      }
    }
    return stream
  }
}
