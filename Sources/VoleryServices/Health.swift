import VoleryPrimitives
public import VoleryServer
import VoleryTypes

/// `grpc.health.v1.Health`: tells load balancers and probes whether the server, and each of its services, wants calls
/// (grpc/grpc doc/health-checking.md; List by gRFC A90).
///
///     let health = Health()
///     let server = Server(services: [Greeter(), health])
///     health.set(.notServing, for: "demo.Greeter")
///
/// The server as a whole (the empty name) serves until it is told otherwise. When the server begins to drain, everything is
/// NOT_SERVING and stays so: those who watch hear it before their connections are told to go, and their streams end.
///
/// A value for each server: of two that share one, the first that drains ends it for both.
public struct Health: HealthService, DrainObserving {
  /// What `set` can say of a service; SERVICE_UNKNOWN is what Watch answers for one that was never set.
  public enum Status: Hashable, Sendable {
    /// SERVING: calls are welcome. NOT_SERVING: they had better go to another server.
    case serving, notServing
  }

  /// A service's name in a question, in UTF-8.
  static let maximumNameBytes = 4096
  /// Services in a List (gRFC A90).
  private static let maximumListCount = 100

  let board: StatusBoard

  /// The server as a whole serves, and so do the services that are named.
  ///
  /// - Parameters:
  ///   - services: Full names that serve from the start, besides the server as a whole.
  ///   - maxWatches: Watches that may be open at once; more are refused with RESOURCE_EXHAUSTED. Each client has one on each
  ///     connection, as a rule. 10,000.
  public init(services: [String] = [], maxWatches: Int = 10_000) {
    board = StatusBoard(maxWatches: maxWatches)
    for name in [""] + services { board.set(.serving, for: name) }
  }

  /// What Check, List and Watch answer for a service from now on; the empty name is the server as a whole. Any name will do.
  /// Of no effect once the server drains.
  public func set(_ status: Status, for service: String = "") { board.set(status, for: service) }

  /// What was set for a service, or for the server as a whole; nil: nothing.
  public func status(of service: String = "") -> Status? { board.status(of: service) }

  /// Takes back what was set for a service: nobody knows it any more, and those who watch it hear SERVICE_UNKNOWN. Of no effect
  /// once the server drains.
  public func remove(_ service: String) { board.remove(service) }

  /// Everything is NOT_SERVING from now on, whatever is set later; the watches end.
  public func drainBegan() { board.close() }

  /// The status of one service, or of the server as a whole for the empty name.
  ///
  /// - Throws: `StatusError` NOT_FOUND for a service that was never set.
  public func check(_ request: HealthCheckRequest, context: ServerContext) async throws -> HealthCheckResponse {
    guard let status = board.status(of: request.service) else {
      throw StatusError(.notFound, "unknown service \"\(String(foreign: request.service))\"")
    }
    return HealthCheckResponse(status: status.onTheWire)
  }

  /// The status of every service that was set, the server as a whole under the empty name.
  ///
  /// - Throws: `StatusError` RESOURCE_EXHAUSTED for more than 100 (gRFC A90).
  public func list(_ request: HealthListRequest, context: ServerContext) async throws -> HealthListResponse {
    let all = board.all
    guard all.count <= Health.maximumListCount else {
      throw StatusError(
        .resourceExhausted, "\(all.count) services are more than the \(Health.maximumListCount) of a list")
    }
    return HealthListResponse(statuses: all.mapValues { HealthCheckResponse(status: $0.onTheWire) })
  }

  /// The status now and each change of it, SERVICE_UNKNOWN while it was never set. A reader that is slow gets the newest
  /// only. It ends when the server is drained, after NOT_SERVING.
  ///
  /// - Throws: `StatusError` RESOURCE_EXHAUSTED for a watch too many, INVALID_ARGUMENT for a name of more than 4096 bytes.
  public func watch(
    _ request: HealthCheckRequest, responses: ResponseWriter<HealthCheckResponse>, context: ServerContext
  ) async throws {
    guard request.service.utf8.count <= Health.maximumNameBytes else {
      throw StatusError(.invalidArgument, "the service's name is longer than \(Health.maximumNameBytes) bytes")
    }
    let watch = try board.watch(request.service)
    defer { board.end(watch) }
    for await status in watch.statuses {
      try await responses.write(HealthCheckResponse(status: status?.onTheWire ?? .serviceUnknown))
    }
  }
}

extension Health.Status {
  var onTheWire: HealthCheckResponse.ServingStatus { self == .serving ? .serving : .notServing }
}
