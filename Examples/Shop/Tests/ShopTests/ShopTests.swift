import Logging
import ShopAPI
import ShopServices
import Testing
import Volery
import VoleryInterceptors
import VoleryTesting

@Suite struct ShopTests {
  let tea = Item(name: "tea", count: 2)

  @Test("a handler by itself: the order is its caller's") func handler() async throws {
    let inventory = try Channel.answering(.unary(InventoryMethods.reserve) { _, _ in ReserveResponse() })
    let call = try TestCall(OrdersMethods.placeOrder)
    call.context.setCaller(Customer(name: "ann"))
    let desk = OrderDesk(inventory: InventoryClient(inventory))
    let order = try await desk.placeOrder(PlaceOrderRequest(items: [tea]), context: call.context)
    #expect(order.customer == "ann" && order.items == [tea])
  }

  @Test("what is sold out is not ordered, and a repeated call takes nothing more") func stock() async throws {
    let inventory = InventoryClient(try .inProcess(Warehouse(["tea": 3]), serverOptions: options(token: "t=test")))
    let token = CallOptions(metadata: ["authorization": "Bearer t"])
    for _ in 1...2 { _ = try await inventory.reserve(ReserveRequest(orderID: "1", items: [tea]), options: token) }
    let error = await #expect(throws: StatusError.self) {
      try await inventory.reserve(ReserveRequest(orderID: "2", items: [tea]), options: token)
    }
    #expect(error?.code == .failedPrecondition && error?.message == "there is not enough tea")
  }

  @Test("a request's id goes through to the inventory; strangers are sent away") func through() async throws {
    let inventory = try Channel.answering(
      .unary(InventoryMethods.reserve) { _, context in
        #expect(context.metadata["x-request-id"] == "visit-7")
        return ReserveResponse()
      }, options: .shop)
    let orders = OrdersClient(
      try .inProcess(OrderDesk(inventory: InventoryClient(inventory)), serverOptions: options(token: "t-ann=ann")))
    let known = CallOptions(metadata: ["authorization": "Bearer t-ann", "x-request-id": "visit-7"])
    #expect(try await orders.placeOrder(PlaceOrderRequest(items: [tea]), options: known).customer == "ann")
    let error = await #expect(throws: StatusError.self) { try await orders.placeOrder(PlaceOrderRequest(items: [tea])) }
    #expect(error?.code == .unauthenticated)
  }

  func options(token: String) -> ServerOptions { .shop(Customers(token), logger: Logger(label: "test")) }
}
