import Catalog
import Orders
import Shipping
import Volery

struct Shelf: CatalogService {
  func listItems(
    _ request: ListItemsRequest, responses: ResponseWriter<Item>, context: ServerContext
  ) async throws {
    for item in [Item(name: "pencil", priceCents: 90), Item(name: "atlas", priceCents: 4900)]
    where item.priceCents <= request.maxPriceCents {
      try await responses.write(item)
    }
  }
}

/// Shipping's code has no server side, as its configuration asks; its methods are there, and enough for a handler.
struct LabelPrinter: Service {
  var handlers: [MethodHandler] {
    [.unary(ShippingMethods.printLabel) { parcel, _ in Label(text: "\(parcel.grams) g") }]
  }
}

@main
struct Shop {
  static func main() async throws {
    let server = Server(services: [Shelf(), orderDesk(), LabelPrinter()])
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    let channel = try Channel("\(address)")

    var items: [Item] = []
    for try await item in CatalogClient(channel).listItems(ListItemsRequest(maxPriceCents: 5000)) { items.append(item) }
    print("items: \(items.map { "\($0.name) \($0.price)" }.joined(separator: ", "))")
    print("total: \(try await placeOrder(of: items, over: channel)) cents")
    let label = try await ShippingClient(channel).printLabel(Parcel(kilograms: 0.35))
    print("label: \(label.text)")
    await server.drain()
  }
}
