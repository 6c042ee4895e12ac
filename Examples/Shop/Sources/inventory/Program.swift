import Foundation
import Logging
import ServiceLifecycle
import ShopServices
import Volery
import VoleryServiceLifecycle

@main struct Program {
  static func main() async throws {
    let logger = Logger(label: "inventory")
    let customers = Customers(ProcessInfo.processInfo.environment["TOKENS"] ?? "")
    let server = Server(
      services: [Warehouse(["tea": 5, "jam": 1]), Health()],
      credentials: .tls(certificate: .file("certificates/inventory.crt"), key: .file("certificates/inventory.key")),
      options: .shop(customers, logger: logger))
    let group = ServiceGroup(
      services: [server.service(listeningOn: .tcp("0.0.0.0", 50052))],
      gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
    try await group.run()
  }
}
