import ArgumentParser
import Synchronization
import Volery

/// grpc.testing.LoadBalancerStatsService: lets others check where a client's calls go.
struct LoadBalancerStatistics: LoadBalancerStatsService {
  let statistics: CallStatistics

  func getClientStats(
    _ request: LoadBalancerStatsRequest, context: ServerContext
  ) async throws -> LoadBalancerStatsResponse {
    try await statistics.next(
      Int(request.numRpcs), within: .seconds(Int(request.timeoutSec)), metadataKeys: request.metadataKeys
    ) {
      // Tells whoever asks that calls are counted from now on.
      context.sendInitialMetadata()
    }
  }

  func getClientAccumulatedStats(
    _ request: LoadBalancerAccumulatedStatsRequest, context: ServerContext
  ) async throws -> LoadBalancerAccumulatedStatsResponse { statistics.accumulated }
}

/// The two methods that such a client calls.
enum TestMethod: String, Sendable {
  case emptyCall = "EmptyCall"
  case unaryCall = "UnaryCall"

  /// As ClientConfigureRequest names it.
  var typeName: String { self == .emptyCall ? "EMPTY_CALL" : "UNARY_CALL" }

  init(flag text: some StringProtocol) throws {
    guard let method = TestMethod(rawValue: String(text)) else {
      throw ValidationError("unknown method \"\(text)\"; known are: EmptyCall, UnaryCall")
    }
    self = method
  }

  init(_ type: ClientConfigureRequest.RpcType) throws {
    switch type {
    case .emptyCall: self = .emptyCall
    case .unaryCall: self = .unaryCall
    case .unrecognized(let number): throw StatusError(.invalidArgument, "there is no type \(number) of calls")
    }
  }
}

/// Which calls the client makes; changed while it makes them.
struct TestCallPlan: Sendable {
  /// None: no calls, until that is changed.
  var methods: [TestMethod]
  var metadata: [TestMethod: Metadata]
  var timeout: Duration
}

/// grpc.testing.XdsUpdateClientConfigureService: the calls that follow are as the last request said, all of it.
final class ClientConfiguration: XdsUpdateClientConfigureService {
  private let usual: Duration
  private let plan: Mutex<TestCallPlan>

  init(_ plan: TestCallPlan) {
    usual = plan.timeout
    self.plan = Mutex(plan)
  }

  var current: TestCallPlan { plan.withLock { $0 } }

  func configure(_ request: ClientConfigureRequest, context: ServerContext) async throws -> ClientConfigureResponse {
    guard request.types.count <= 100, request.timeoutSec >= 0 else {
      throw StatusError(.invalidArgument, "there can be 100 types of calls, and no timeout below 0")
    }
    var fresh = TestCallPlan(methods: try request.types.map { try TestMethod($0) }, metadata: [:], timeout: usual)
    for entry in request.metadata {
      fresh.metadata[try TestMethod(entry.type), default: Metadata()].append(entry.value, for: entry.key)
    }
    if request.timeoutSec > 0 { fresh.timeout = .seconds(Int(request.timeoutSec)) }
    plan.withLock { $0 = fresh }
    return ClientConfigureResponse()
  }
}
