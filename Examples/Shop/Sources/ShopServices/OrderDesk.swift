import Logging
import ShopAPI
import Volery
import VoleryInterceptors

/// Takes orders, and has the goods reserved for them.
package struct OrderDesk: OrdersService {
  private let inventory: InventoryClient

  package init(inventory: InventoryClient) { self.inventory = inventory }

  package func placeOrder(_ request: PlaceOrderRequest, context: ServerContext) async throws -> Order {
    let customer = try context.caller(Customer.self)
    guard !request.items.isEmpty else { throw StatusError(.invalidArgument, "an order has items") }
    let order = Order(
      id: String(UInt64.random(in: 0 ... .max), radix: 36), customer: customer.name, items: request.items)
    do {
      _ = try await inventory.reserve(ReserveRequest(orderID: order.id, items: order.items))
    } catch {
      // How a call of ours has failed is not for our caller, unless we say so.
      guard error.code == .failedPrecondition else { throw error }
      throw StatusError(error.code, error.message)
    }
    Logger.current.info("ordered", metadata: ["order": "\(order.id)"])
    return order
  }
}
