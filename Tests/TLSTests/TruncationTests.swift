import Foundation
import Synchronization
import TestSupport
import Testing
import Volery

/// Passes bytes on between one client and a server, and cuts both off as a broken network does, without a word of TLS, once
/// so many have gone one way.
final class CuttingRelay: Sendable {
  enum Direction: Sendable { case toServer, toClient }

  let port: Int
  private let listener: RawListener

  init(to serverPort: Int, cutting direction: Direction, after limit: Int) throws {
    let listener = try RawListener()
    self.listener = listener
    port = listener.port
    Thread.detachNewThread {
      let client = listener.accept()
      guard let server = try? RawSocket(port: serverPort) else { return }
      Thread.detachNewThread { CuttingRelay.pass(client, server, direction == .toServer ? limit : .max) }
      CuttingRelay.pass(server, client, direction == .toClient ? limit : .max)
    }
  }

  private static func pass(_ source: RawSocket, _ target: RawSocket, _ limit: Int) {
    var left = limit
    while true {
      let bytes = source.read()
      if bytes.isEmpty { break }
      guard left > 0 else { continue }
      target.write(Array(bytes.prefix(left)))
      left -= min(left, bytes.count)
      // An end in both directions, and no reset, which could overtake what was written: so the rest is read, too.
      if left == 0 { for socket in [source, target] { shutdown(socket.descriptor, Int32(SHUT_WR)) } }
    }
    shutdown(target.descriptor, Int32(SHUT_WR))
  }
}

@Suite("Connections of TLS that are cut off", .timeLimit(.minutes(1))) struct TruncationTests {
  /// Keeps what its handler was told.
  final class Listening: Service {
    static let take = Method<[UInt8], [UInt8]>(service: "test.Listening", name: "Take", kind: .clientStreaming)
    private let told: AsyncStream<String>.Continuation
    let errors: AsyncStream<String>

    init() { (errors, told) = AsyncStream.makeStream() }

    var handlers: [MethodHandler] {
      [
        .clientStreaming(Listening.take) { [told] requests, _ in
          do {
            for try await _ in requests {}
            told.yield("no error")
          } catch {
            told.yield("\(error)")
            throw error
          }
          return []
        }
      ]
    }
  }

  static func channel(_ port: Int) throws -> Channel {
    var options = ChannelOptions()
    options.authority = "localhost"
    return try Channel("ipv4:127.0.0.1:\(port)", credentials: .tls(roots: Certificates.roots), options: options)
  }

  @Test("a response that is cut off in the middle, without close_notify, is an error that says so") func response()
    async throws
  {
    try await TLSStage.with(Certificates.server("server")) { stage in
      let good = try stage.channel()
      let relay = try CuttingRelay(to: stage.port, cutting: .toClient, after: 200_000)
      let error = await failure { _ = try await Self.channel(relay.port).echo([UInt8](repeating: 7, count: 1 << 20)) }
      #expect(error.contains("UNAVAILABLE") && error.contains("127.0.0.1:\(relay.port)"), "\(error)")
      #expect(error.contains("the server closed the connection without the close_notify of TLS"), "\(error)")
      #expect(try await good.echo().message == [1, 2, 3])
    }
  }

  @Test("a request that is cut off in the middle, without close_notify, is an error that the handler hears")
  func request()
    async throws
  {
    let service = Listening()
    let server = Server(services: [service, TLSEcho()], credentials: Certificates.server("server"))
    defer { server.shutDown() }
    guard case .tcp(_, let port) = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0] else { return }
    let good = try Self.channel(port)
    let relay = try CuttingRelay(to: port, cutting: .toServer, after: 200_000)
    let channel = try Self.channel(relay.port)
    let call = channel.clientStreaming(Listening.take, options: Channel.limit)
    let error = await failure {
      for _ in 0..<4 { try await call.send([UInt8](repeating: 7, count: 1 << 20)) }
      call.finish()
      _ = try await call.response
    }
    #expect(error.contains("UNAVAILABLE"), "\(error)")
    var told = service.errors.makeAsyncIterator()
    let reason = try #require(await told.next())
    #expect(reason.contains("the client closed the connection without the close_notify of TLS"), "\(reason)")
    #expect(try await good.echo().message == [1, 2, 3])
  }
}
