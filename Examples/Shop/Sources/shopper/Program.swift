import Foundation
import ShopAPI
import Volery

@main struct Program {
  static func main() async throws {
    let arguments = CommandLine.arguments + ["", "", ""]
    let token = BearerToken.Token(ProcessInfo.processInfo.environment["TOKEN"] ?? "")
    let credentials = ChannelCredentials.tls(roots: .file("certificates/ca.crt")).with(BearerToken { token })
    do {
      switch arguments[1] {
      case "buy":
        let orders = OrdersClient(
          try Channel("dns:///localhost:50051", credentials: credentials),
          defaults: CallOptions(metadata: ["x-request-id": "visit-7"], timeout: .seconds(5)))
        let item = Item(name: arguments[2], count: UInt32(arguments[3]) ?? 1)
        let order = try await orders.placeOrder(PlaceOrderRequest(items: [item]))
        print("\(order.customer) gets \(item.count) \(item.name), order \(order.id)")
      case "watch":
        let inventory = InventoryClient(try Channel("dns:///localhost:50052", credentials: credentials))
        for try await level in inventory.watchStock(WatchStockRequest(name: arguments[2])) {
          print("\(arguments[2]): \(level.count)")
        }
        print("the inventory stops")
      default:
        print("shopper buy NAME COUNT | shopper watch NAME")
      }
    } catch let error as StatusError {
      print("\(error.code): \(error.message)")
    }
  }
}
