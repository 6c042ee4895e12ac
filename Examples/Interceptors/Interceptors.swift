import Volery

/// A shop that asks a stock: who calls is known, each call has a line in the log, and a request id goes through both.
@main
struct Interceptors {
  static let buy = Method<[UInt8], [UInt8]>(service: "demo.Shop", name: "Buy", kind: .unary)
  static let take = Method<[UInt8], [UInt8]>(service: "demo.Stock", name: "Take", kind: .unary)

  struct Stock: Service {
    var handlers: [MethodHandler] {
      [
        .unary(take) { request, _ in
          print(
            "stock: \(String(decoding: request, as: UTF8.self)) for \(Authentication.caller), request \(TakeRequestID.current ?? "-")"
          )
          return request
        }
      ]
    }
  }

  struct Shop: Service {
    let stock: Channel

    var handlers: [MethodHandler] { [.unary(buy) { request, _ in try await stock.unary(take, request).message }] }
  }

  static func serve(_ name: String, _ service: any Service, callers: [String: String]) throws -> (Server, SocketAddress)
  {
    var options = ServerOptions()
    options.interceptors = [
      AccessLog { print("\(name): \($0)") },
      Authentication(callers: callers),
      TakeRequestID(),
    ]
    let server = Server(services: [service], options: options)
    return (server, try server.start(listeningOn: .tcp("127.0.0.1", 0))[0])
  }

  static func connect(_ address: SocketAddress, _ interceptors: [any ClientInterceptor]) throws -> Channel {
    var options = ChannelOptions()
    options.interceptors = interceptors
    return try Channel("\(address)", options: options)
  }

  static func main() async throws {
    let (stockServer, stock) = try serve("stock", Stock(), callers: ["t-shop": "the shop"])
    let channel = try connect(stock, [SendToken(token: "t-shop"), SendRequestID()])
    let (shopServer, shop) = try serve("shop", Shop(stock: channel), callers: ["t-ann": "ann"])
    let ann = try connect(shop, [SendToken(token: "t-ann")])
    let response = try await ann.unary(buy, Array("tea".utf8), options: CallOptions(metadata: ["x-request-id": "r1"]))
    print(
      "ann: \(String(decoding: response.message, as: UTF8.self)), request \(response.trailingMetadata["x-request-id"] ?? "-")"
    )
    let stranger = try connect(shop, [])
    do { _ = try await stranger.unary(buy, []) } catch { print("stranger: \(error.code): \(error.message)") }
    await shopServer.drain()
    await stockServer.drain()
  }
}
