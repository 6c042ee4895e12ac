package import Logging
import VoleryTypes

/// One of a server's services, as those see it that tell of them: reflection.
package struct ServiceListing: Sendable {
  /// The full names of the services whose methods it answers; as a rule one.
  package let names: Set<String>
  let handlers: [MethodHandler]
  private let service: any Service

  /// As the service says, which is asked each time.
  package var fileDescriptors: [[UInt8]] { service.fileDescriptors }

  package init(_ service: any Service) {
    self.service = service
    handlers = service.handlers
    names = Set(handlers.map(\.descriptor.service))
  }

  /// The handlers of all services of one server.
  ///
  /// - Parameter logger: The server's.
  static func handlers(of services: [any Service], _ logger: Logger) -> [MethodHandler] {
    let listings = services.map(ServiceListing.init)
    return zip(services, listings).flatMap { service, listing in
      (service as? any ServiceDirectory)?.handlers(listing: listings, logger) ?? listing.handlers
    }
  }
}

/// A service that tells of its server's services, wherever it stands among them.
package protocol ServiceDirectory: Service {
  /// In place of `handlers`, which must be of the same methods: those of a server that has these services, itself among them.
  /// Asked once, when the server is made. Nil: `handlers` will do.
  func handlers(listing services: [ServiceListing], _ logger: Logger) -> [MethodHandler]?
}
