package import Logging
public import VoleryTypes

extension Service {
  /// The same service with every handler on another executor, whatever they said themselves.
  ///
  ///     Server(services: [Greeter(), Reports().on(.sharedPool)])
  public func on(_ executor: MethodHandler.Executor) -> RelocatedService {
    RelocatedService(service: self, executor: executor, paths: nil)
  }

  /// The same service with the handlers of these methods on another executor.
  ///
  ///     Reports().on(.sharedPool, only: ReportsMethods.render.descriptor)
  ///
  /// - Precondition: the service has these methods.
  public func on(_ executor: MethodHandler.Executor, only methods: MethodDescriptor...) -> RelocatedService {
    RelocatedService(service: self, executor: executor, paths: Set(methods.map(\.path)))
  }
}

/// A service with handlers on another executor: what `Service.on` makes.
public struct RelocatedService: DrainObserving, ServiceDirectory {
  private let service: any Service
  private let executor: MethodHandler.Executor
  /// Nil: every method.
  private let paths: Set<String>?

  fileprivate init(service: any Service, executor: MethodHandler.Executor, paths: Set<String>?) {
    self.service = service
    self.executor = executor
    self.paths = paths
  }

  /// The service's handlers, those that were named with the other executor.
  public var handlers: [MethodHandler] { relocated(service.handlers) }

  /// The service's.
  public var fileDescriptors: [[UInt8]] { service.fileDescriptors }

  package func handlers(listing services: [ServiceListing], _ logger: Logger) -> [MethodHandler]? {
    (service as? any ServiceDirectory)?.handlers(listing: services, logger).map(relocated)
  }

  private func relocated(_ handlers: [MethodHandler]) -> [MethodHandler] {
    guard let paths else { return handlers.map { $0.on(executor) } }
    let unknown = paths.subtracting(handlers.map(\.descriptor.path)).sorted()
    precondition(unknown.isEmpty, "the service has no method \(unknown.joined(separator: ", "))")
    return handlers.map { paths.contains($0.descriptor.path) ? $0.on(executor) : $0 }
  }

  /// Passed on to the service, where it wants to know.
  public func drainBegan() { (service as? any DrainObserving)?.drainBegan() }
}
