public import VoleryServer
import VoleryTypes
import VoleryWellKnownTypes

/// What control planes have told this process, for tools that ask it (CSDS, gRFC A40): each resource with its version, its content
/// and when it came, and of one that was refused why. Give it to a server that only operators reach: it shows what the control
/// plane knows.
///
///     let server = Server(services: [Greeter(), XDSStatusService()])
public struct XDSStatusService: Service {
  private let factory: XDSResolverFactory

  /// - Parameter factory: Whose resources are shown; the process's by default.
  public init(_ factory: XDSResolverFactory = .shared) { self.factory = factory }

  /// `envoy.service.status.v3.ClientStatusDiscoveryService`.
  public var handlers: [MethodHandler] { StatusAnswers(factory: factory).handlers }

  /// For reflection.
  public var fileDescriptors: [[UInt8]] { StatusAnswers(factory: factory).fileDescriptors }
}

/// The generated protocol is not for users.
private struct StatusAnswers: WireClientStatusDiscoveryService {
  let factory: XDSResolverFactory

  func streamClientStatus(
    _ requests: RequestStream<WireClientStatusRequest>, responses: ResponseWriter<WireClientStatusResponse>,
    context: ServerContext
  ) async throws {
    let isWhole = try await context.untilServerDrains {
      for try await request in requests { try await responses.write(answer(to: request)) }
    }
    // A client may keep its stream open as long as it likes.
    guard isWhole else { throw StatusError(.unavailable, "the server is stopping") }
  }

  func fetchClientStatus(
    _ request: WireClientStatusRequest, context: ServerContext
  ) async throws -> WireClientStatusResponse { try answer(to: request) }

  private func answer(to request: WireClientStatusRequest) throws -> WireClientStatusResponse {
    guard request.nodeMatchers.isEmpty else {
      throw StatusError(.invalidArgument, "node_matchers are not supported (gRFC A40)")
    }
    guard let status = factory.status else { return WireClientStatusResponse() }
    return WireClientStatusResponse(config: [
      WireClientConfig(
        node: status.node,
        genericXdsConfigs: status.resources.map {
          WireClientConfig.GenericXdsConfig($0, withContent: !request.excludeResourceContents)
        })
    ])
  }
}

extension WireClientConfig.GenericXdsConfig {
  init(_ dump: ResourceDump, withContent: Bool) {
    self.init(
      typeURL: dump.key.type.typeURL, name: dump.key.name, versionInfo: dump.version,
      xdsConfig: withContent ? dump.content : nil, lastUpdated: dump.updated,
      clientStatus: WireClientResourceStatus(dump.standing),
      errorState: dump.refusal.map {
        WireUpdateFailureState(
          failedConfiguration: withContent ? $0.content : nil, lastUpdateAttempt: $0.at, details: $0.reason,
          versionInfo: $0.version)
      })
  }
}

extension WireClientResourceStatus {
  init(_ standing: ResourceDump.Standing) {
    self =
      switch standing {
      case .requested: .requested
      case .doesNotExist: .doesNotExist
      case .accepted: .acked
      case .refused: .nacked
      case .unreachable: .receivedError
      }
  }
}
