import Synchronization
import Volery

/// Interceptors and observers of ten lines each, as their pages have them, at work.
@main
struct TenLines {
  static let buy = Method<[UInt8], [UInt8]>(service: "demo.Shop", name: "Buy", kind: .unary)

  struct Shop: Service {
    var handlers: [MethodHandler] {
      [
        .unary(buy) { request, context in
          // Tea has to draw.
          if request.starts(with: Array("tea".utf8)) { try await Task.sleep(for: .milliseconds(60)) }
          return Array("\(context[RequestIDKey.self] ?? "-"): ".utf8) + request
        }
      ]
    }
  }

  static func main() async throws {
    var serverOptions = ServerOptions()
    serverOptions.interceptors = [
      TakesRequestID(), RequireToken().only { $0.service != "grpc.health.v1.Health" }, SoldOut(),
    ]
    serverOptions.observers = [SlowCalls()]
    let server = Server(services: [Shop()], options: serverOptions)
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]

    let share = Share()
    var options = ChannelOptions()
    options.interceptors = [RequestID(), Politeness()]
    options.observers = [share]
    let channel = try Channel("\(address)", options: options)
    func ask(_ request: String, _ metadata: Metadata) async {
      do throws(StatusError) {
        let response = try await channel.unary(buy, Array(request.utf8), options: CallOptions(metadata: metadata))
        print(String(decoding: response.message, as: UTF8.self))
        if response.initialMetadata["x-request-id"] != "r1" { print("the id has not come back") }
      } catch {
        print("\(error.code): \(error.message)")
      }
    }
    await ask("jam", ["authorization": "Bearer letmein"])
    await ask("tea", ["authorization": "Bearer letmein"])
    await ask("scones", ["authorization": "Bearer letmein", "x-want": "scones"])
    await ask("milk", [:])
    channel.close()
    await server.drain()
    print("attempts: \(share.counts.withLock { $0.values.reduce(0, +) })")
  }
}

func makeID() -> String { "r1" }
