import Catalog
import Volery

/// Orders' server. Its generated code is internal to this module, which shows no more of it than this.
public func orderDesk() -> any Service { OrderDesk() }

public func placeOrder(of items: [Item], over channel: Channel) async throws -> UInt32 {
  try await OrdersClient(channel).placeOrder(Order(items: items)).totalCents
}

/// On the main actor, as a service beside a user interface is; a struct or an actor does as well.
@MainActor final class OrderDesk: OrdersService {
  private(set) var orderCount = 0

  nonisolated init() {}

  func placeOrder(_ request: Order, context: ServerContext) async throws -> Receipt {
    MainActor.preconditionIsolated()
    orderCount += 1
    return Receipt(totalCents: request.items.reduce(0) { $0 + $1.priceCents })
  }
}
