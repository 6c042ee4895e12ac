import ShopAPI
import Volery

/// Keeps the goods. An actor: calls come from many tasks at once.
package actor Warehouse: InventoryService {
  private var stock: [String: UInt32]
  private var reserved: Set<String> = []
  private var watchers: [Int: AsyncStream<Void>.Continuation] = [:]
  private var lastWatcher = 0

  package init(_ stock: [String: UInt32]) { self.stock = stock }

  package func reserve(_ request: ReserveRequest, context: ServerContext) async throws -> ReserveResponse {
    // A repeated call, after a lost answer: the goods are there already.
    guard !reserved.contains(request.orderID) else { return ReserveResponse() }
    var left = stock
    for item in request.items {
      guard let count = left[item.name], count >= item.count else { throw ShopError.soldOut(item.name) }
      left[item.name] = count - item.count
    }
    stock = left
    reserved.insert(request.orderID)
    for watcher in watchers.values { watcher.yield() }
    return ReserveResponse()
  }

  package func watchStock(
    _ request: WatchStockRequest, responses: ResponseWriter<StockLevel>, context: ServerContext
  ) async throws {
    let (changes, watcher) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    lastWatcher += 1
    let id = lastWatcher
    watchers[id] = watcher
    defer { watchers[id] = nil }
    watcher.yield()
    // Such a stream has no end of its own, and would hold up its server's.
    try await context.untilServerDrains {
      var last: UInt32?
      for await _ in changes {
        let count = await self.stock[request.name] ?? 0
        if count != last { try await responses.write(StockLevel(count: count)) }
        last = count
      }
    }
  }
}
