package import Logging
import VoleryPrimitives
public import VoleryProtobuf
public import VoleryServer
import VoleryTypes
import VoleryWellKnownTypes

/// Server reflection (grpc/grpc doc/server-reflection.md), as `grpc.reflection.v1.ServerReflection` and under its older name
/// `v1alpha`: grpcurl, buf curl, grpc_cli, Postman and others learn from it which methods a server has and what their messages
/// look like.
///
///     let server = Server(services: [Greeter(), Reflection()])
///
/// It tells of all services of its server, wherever it stands among them, from the descriptors that generated code carries
/// (`Service.fileDescriptors`), and of the files that they import. Whoever may call the server may ask; what is not for all is
/// hidden, or an interceptor says who may ask. Nothing is read or kept before the first question.
///
/// One value may serve several servers: each answers with its own services.
public struct Reflection: ServiceDirectory {
  private enum Choice {
    case allBut(Set<String>)
    case only(Set<String>)

    var names: Set<String> {
      switch self {
      case .allBut(let names), .only(let names): names
      }
    }

    func shows(_ service: String) -> Bool {
      switch self {
      case .allBut(let names): !names.contains(service)
      case .only(let names): names.contains(service)
      }
    }
  }

  private let choice: Choice
  private let files: [FileTable]

  /// All services of the server.
  ///
  /// - Parameters:
  ///   - hidden: Full names of services that are not told of; their declarations are left out of the files that have them.
  ///   - files: Files besides those that services import: such as declare extensions of their messages, or messages that an
  ///     Any holds. `Order.fileTable` is the one that declares Order. google.rpc's error details are always there.
  public init(hiding hidden: Set<String> = [], files: [FileTable] = []) {
    choice = .allBut(hidden)
    self.files = files
  }

  /// Some services of the server, and no others.
  ///
  /// - Parameters:
  ///   - shown: Their full names, such as `GreeterMethods.serviceName`.
  ///   - files: As above.
  public init(showing shown: Set<String>, files: [FileTable] = []) {
    choice = .only(shown)
    self.files = files
  }

  /// The methods alone; a server asks for them together with its other services.
  public var handlers: [MethodHandler] { handlers(of: LazyCatalog { ReflectionCatalog() }) }

  /// Of grpc/reflection/v1/reflection.proto and v1alpha.
  public var fileDescriptors: [[UInt8]] {
    [ServerReflectionMethods.fileTable, _table_grpc_reflection_v1alpha_reflection_proto].map(\.fileDescriptor)
  }

  package func handlers(listing services: [ServiceListing], _ logger: Logger) -> [MethodHandler]? {
    let names = services.reduce(into: Set<String>()) { $0.formUnion($1.names) }
    for name in choice.names.subtracting(names).sorted() {
      logger.warning("reflection is told of a service that the server does not have", metadata: ["service": "\(name)"])
    }
    return handlers(
      of: LazyCatalog { [choice, files] in
        var catalog = ReflectionCatalog(services: names.filter(choice.shows)) { !choice.shows($0) }
        for service in services where service.names.contains(where: choice.shows) {
          for descriptor in service.fileDescriptors { catalog.add(descriptor) }
        }
        for file in files + Reflection.errorDetails {
          for descriptor in file.fileDescriptorsWithImports { catalog.add(descriptor) }
        }
        for problem in catalog.problems {
          logger.warning("reflection is incomplete", metadata: ["problem": "\(String(line: problem))"])
        }
        return catalog
      })
  }

  /// What the details of errors are, which no service imports.
  private static let errorDetails = [Google_Rpc_Status.fileTable, Google_Rpc_BadRequest.fileTable]

  private func handlers(of catalog: LazyCatalog) -> [MethodHandler] {
    // The messages of both are the same on the wire.
    let older = Method<ServerReflectionRequest, ServerReflectionResponse>(
      service: "grpc.reflection.v1alpha.ServerReflection", name: "ServerReflectionInfo", kind: .bidirectional)
    return [ServerReflectionMethods.serverReflectionInfo, older].map { method in
      .bidirectional(method) { requests, responses, context in
        let isWhole = try await context.untilServerDrains {
          var answers = ReflectionAnswers(await catalog.value)
          for try await request in requests { try await responses.write(answers.answer(to: request)) }
        }
        // A client may keep its stream open as long as it likes.
        guard isWhole else { throw StatusError(.unavailable, "the server is stopping") }
      }
    }
  }
}
