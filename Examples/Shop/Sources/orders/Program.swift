import Foundation
import Logging
import ServiceLifecycle
import ShopAPI
import ShopServices
import Volery
import VoleryServiceLifecycle

@main struct Program {
  static func main() async throws {
    let logger = Logger(label: "orders")
    let environment = ProcessInfo.processInfo.environment
    let token = BearerToken.Token(environment["ORDERS_TOKEN"] ?? "")
    let inventory = try Channel(
      environment["INVENTORY"] ?? "dns:///localhost:50052",
      credentials: .tls(roots: .file("certificates/ca.crt")).with(BearerToken { token }),
      options: .shop)
    let server = Server(
      services: [OrderDesk(inventory: InventoryClient(inventory)), Health()],
      credentials: .tls(certificate: .file("certificates/orders.crt"), key: .file("certificates/orders.key")),
      options: .shop(Customers(environment["TOKENS"] ?? ""), logger: logger))
    let group = ServiceGroup(
      services: [inventory.service(), server.service(listeningOn: .tcp("0.0.0.0", 50051))],
      gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
    try await group.run()
  }
}
