import Foundation
import TestSupport
import Testing
import Volery
import VoleryInterceptors
import VoleryTesting

/// What goes wrong in a new user's first hours, and what he reads then: what was wrong, where, and what to write instead. More
/// of them are in ProgramMistakeTests and TLSMistakeTests; those of the compiler and the plugins in Tests/Examples/run.sh.
@Suite("The usual mistakes", .timeLimit(.minutes(1))) struct MistakeTests {
  @Test(
    "a target that can't be one names itself, and what to write",
    arguments: [
      ("", ["the target is empty", "dns:///orders:50051"]),
      (" \n", ["the target is empty", "dns:///orders:50051"]),
      ("orders:50051\n", ["has white space around it", "\"orders:50051\\n\"", "write \"orders:50051\""]),
      (
        " dns:///orders:50051",
        ["has white space around it", "\" dns:///orders:50051\"", "write \"dns:///orders:50051\""]
      ),
      (
        "http://orders:50051",
        ["has the unknown scheme \"http\"", "\"http://orders:50051\"", "write \"dns:///orders:50051\""]
      ),
      ("https://orders/x", ["with the credentials .tls()", "unknown scheme \"https\"", "write \"dns:///orders\""]),
      ("grpc://orders:1", ["has the unknown scheme", "\"grpc\"", "write \"dns:///orders:1\""]),
      ("dsn:///orders:50051", ["unknown scheme \"dsn\"", "known are: dns, dns+srv, file"]),
      ("dns://orders:50051", ["two slashes", "\"dns://orders:50051\"", "write \"dns:///orders:50051\", with three"]),
      ("dns:///orders:70000", ["is not host or host:port", "\"orders:70000\""]),
      ("dns+srv:///_grpc._tcp.orders:50051", ["has a port", "write the name only"]),
      ("ipv4:orders:50051", ["is not an IP address with a port", "\"orders:50051\""]),
      ("ipv4://10.0.0.7:50051", ["names nothing to connect to", "write \"ipv4:///10.0.0.7:50051\""]),
    ])
  func targets(_ target: String, _ parts: [String]) async {
    MistakePage.check(await MistakePage.text { _ = try Channel(target) }, parts)
  }

  @Test(
    "an address that can't be listened on says why",
    arguments: [
      (ListenAddress.tcp("localhost", 0), ["is not an IP address;", "localhost:0", "\"localhost\"", "\"127.0.0.1\""]),
      (.tcp("127.0.0.1", 70_000), ["a port is 0 to 65535", "127.0.0.1:70000"]),
      (.tcp("192.0.2.1", 0), ["address not available", "192.0.2.1:0"]),
      (.unix("/nowhere/x.sock"), ["no such file or directory", "unix:/nowhere/x.sock"]),
      (.unix("/tmp/" + String(repeating: "x", count: 200)), ["is too long for a socket", "205 bytes"]),
    ])
  func listening(_ address: ListenAddress, _ parts: [String]) async {
    let said = await MistakePage.text { try Server(services: [Depot()]).start(listeningOn: address) }
    MistakePage.check(said, parts)
  }

  @Test("a port, or a name in the process, that is taken is named") func taken() async throws {
    let server = Server(services: [Depot()])
    defer { server.shutDown() }
    let name = "taken-\(UInt64.random(in: 0 ... .max))"
    let bound = try server.start(listeningOn: .tcp("127.0.0.1", 0), .inProcess(name))
    guard case .tcp(_, let port) = bound[0] else { return }
    let other = Server(services: [Depot()])
    let text = await MistakePage.text { try other.start(listeningOn: .tcp("127.0.0.1", port)) }
    MistakePage.check(text, ["address already in use", "127.0.0.1:\(port)", "0 takes a free one"])
    let second = await MistakePage.text { try other.start(listeningOn: .inProcess(name)) }
    MistakePage.check(second, ["another server of this process listens as", "\"\(name)\""])
  }

  @Test(
    "a call that can't be made as it is says what to change",
    arguments: [
      ("a key with a space", ["has a character", "metadata key 'x user'"], CallOptions(metadata: ["x user": "7"])),
      (
        "a value that is not ASCII", ["is not printable ASCII", "'x-name'", "-bin"],
        CallOptions(metadata: ["x-name": "Zoë"])
      ),
      (
        "a reserved key", ["starts with 'grpc-', which is reserved", "'grpc-timeout'"],
        CallOptions(metadata: ["grpc-timeout": "1S"])
      ),
      ("no time", ["DEADLINE_EXCEEDED"], CallOptions(timeout: .zero)),
      ("less than no time", ["DEADLINE_EXCEEDED"], CallOptions(timeout: .seconds(-1))),
    ])
  func calls(_ what: String, _ parts: [String], _ options: CallOptions) async throws {
    let parcels = ParcelsClient(try .inProcess(Depot()))
    MistakePage.check(await MistakePage.text { _ = try await parcels.track(Parcel(id: "1"), options: options) }, parts)
  }

  @Test("a message over a limit names the limit, on whichever side it is") func tooLarge() async throws {
    let large = Parcel(id: String(repeating: "x", count: 5 << 20))
    let server = Server(services: [Depot()])
    defer { server.shutDown() }
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    let parcels = ParcelsClient(try Channel("ipv4:\(address)"))
    let request = await MistakePage.text { _ = try await parcels.track(large) }
    MistakePage.check(request, ["is over the server's limit of 4194304"])
    var options = ServerOptions()
    options.maxRequestMessageBytes = 16 << 20
    let tolerant = ParcelsClient(try .inProcess(Depot(), serverOptions: options))
    let response = await MistakePage.text { _ = try await tolerant.track(large) }
    MistakePage.check(response, ["is over the client's limit of 4194304"])
  }

  @Test("a server that nobody runs, a service that it has not, and a channel that is closed are told apart")
  func nobodyThere() async throws {
    let server = Server(services: [Depot()])
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    let unknown = Method<[UInt8], [UInt8]>(service: "shop.Orders", name: "Get", kind: .unary)
    let channel = try Channel("ipv4:\(address)")
    let service = await MistakePage.text { _ = try await channel.unary(unknown, []) }
    MistakePage.check(service, ["unknown service: ", "/shop.Orders/Get"])
    let method = Method<[UInt8], [UInt8]>(service: ParcelsMethods.serviceName, name: "Lose", kind: .unary)
    let missing = await MistakePage.text { _ = try await channel.unary(method, []) }
    MistakePage.check(missing, ["unknown method ", "/Lose"])
    server.shutDown()
    // The listener is closed in a turn of its loop.
    var refused = ""
    try await eventually("the refusal is told with its address") {
      let other = try Channel("ipv4:\(address)")
      refused = await MistakePage.text { _ = try await other.unary(unknown, []) }
      return refused.contains("\(address)") && refused.contains("connection refused")
    }
    MistakePage.check(refused, ["no server can be reached: "])
    await channel.drain()
    MistakePage.check(
      await MistakePage.text { _ = try await channel.unary(unknown, []) }, ["the channel is closed"])
    // At once, not when the channel's loop has come to it.
    let open = try Channel.inProcess(Depot())
    let parcels = ParcelsClient(open)
    open.close()
    MistakePage.check(
      await MistakePage.text { _ = try await parcels.track(Parcel(id: "1")) }, ["the channel is closed"])
  }

  @Test("a name without addresses, and a socket that is not there") func missing() async throws {
    let resolver = ManualResolver(scheme: "test")
    var options = ChannelOptions()
    options.resolvers.register(resolver)
    let parcels = ParcelsClient(try InProcessNetwork().channel("test:///nobody", options: options))
    resolver.publish(.resolved(Resolution(endpoints: [])))
    let nobody = await MistakePage.text { _ = try await parcels.track(Parcel(id: "1")) }
    MistakePage.check(nobody, ["the name has no addresses", "test:///nobody"])
    let socket = ParcelsClient(try Channel("unix:/nowhere/x.sock"))
    let unix = await MistakePage.text { _ = try await socket.track(Parcel(id: "1")) }
    MistakePage.check(unix, ["no server can be reached: ", "/nowhere/x.sock", "no such file or directory"])
  }

  @Test("a service config and a policy that can't be used name the place") func configuration() async {
    let json = await MistakePage.text { _ = try ServiceConfig(json: #"{"methodConfig": [{"timeout": "1"}]}"#) }
    MistakePage.check(
      json, ["has a wrong type or value", "service config.methodConfig[0].timeout", "it takes a time such as \"1.5s\""])
    let policy = await MistakePage.text {
      var options = ChannelOptions()
      options.loadBalancingPolicy = "round_robbin"
      _ = try Channel("ipv4:127.0.0.1:1", options: options)
    }
    MistakePage.check(policy, ["unknown load balancing policy \"round_robbin\"", "known are: ", "round_robin"])
  }

  // MARK: In handlers

  struct Careless: ParcelsService {
    struct Surprise: Error {}

    let next: Channel

    func track(_ request: Parcel, context: ServerContext) async throws -> Place {
      switch request.id {
      case "own error": throw Surprise()
      case "call": return try await ParcelsClient(next).track(request)
      default: return Place(name: try context.caller(String.self))
      }
    }

    func watch(_ request: Parcel, responses: ResponseWriter<Place>, context: ServerContext) async throws {}
    func collect(_ requests: RequestStream<Parcel>, context: ServerContext) async throws -> Receipt { Receipt() }
    func route(
      _ requests: RequestStream<Parcel>, responses: ResponseWriter<Place>, context: ServerContext
    ) async throws {}
    func old(_ request: Parcel, context: ServerContext) async throws -> Place { Place() }
  }

  @Test(
    "an error that a handler lets through is told to nobody but its log",
    arguments: [
      ("own error", ["the handler has failed", "UNKNOWN"], "Surprise"),
      ("call", ["a call that the handler made has failed", "UNKNOWN"], "the test has no closure for"),
    ])
  func errors(_ id: String, _ parts: [String], _ logged: String) async throws {
    let log = LogRecorder()
    var options = ServerOptions()
    options.logger = log.logger
    let parcels = ParcelsClient(try .inProcess(Careless(next: try .answering()), serverOptions: options))
    MistakePage.check(await MistakePage.text { _ = try await parcels.track(Parcel(id: id)) }, parts)
    let line = try await log.line(containing: logged)
    #expect(line.contains(ParcelsMethods.track.descriptor.path), "\(line)")
  }

  @Test("an interceptor that lets an error of its own through: the caller of a client hears whose, a server's log does")
  func interceptors() async throws {
    struct Surprise: Error {}
    struct Tokens: ClientInterceptor, ServerInterceptor {
      func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws { throw Surprise() }
      func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws { throw Surprise() }
    }
    let client = ParcelsClient(try .inProcess(Depot()), interceptors: [Tokens()])
    MistakePage.check(
      await MistakePage.text { _ = try await client.track(Parcel(id: "1")) },
      ["the interceptor Tokens has failed", "UNKNOWN", "Surprise()"])
    let log = LogRecorder()
    var options = ServerOptions()
    options.logger = log.logger
    options.interceptors = [Tokens()]
    let served = ParcelsClient(try .inProcess(Depot(), serverOptions: options))
    MistakePage.check(
      await MistakePage.text { _ = try await served.track(Parcel(id: "1")) }, ["the handler has failed", "UNKNOWN"])
    let line = try await log.line(containing: "Surprise()")
    #expect(line.contains("an interceptor has failed") && line.contains("interceptor: Tokens"), "\(line)")
  }

  @Test("a handler that asks who calls, where nobody has found out") func caller() async throws {
    let parcels = ParcelsClient(try .inProcess(Careless(next: try .answering())))
    let said = await MistakePage.text { _ = try await parcels.track(Parcel(id: "who")) }
    MistakePage.check(said, ["nobody has found out who calls", "UNAUTHENTICATED", "/Track"])
  }

  @Test("a handler that blocks its event loop is named in the log") func blocking() async throws {
    let log = LogRecorder()
    var options = ServerOptions()
    options.logger = log.logger
    options.stallThreshold = .milliseconds(50)
    options.eventLoops = 1
    let text = "a handler holds up its event loop"
    let method = Method<[UInt8], [UInt8]>(service: "shop.Reports", name: "Render", kind: .unary)
    // It computes until the log says so; the limit is for a log that never does.
    let handler = MethodHandler.unary(method) { _, _ in
      let limit = ContinuousClock.now + .seconds(30)
      while !log.lines.contains(where: { $0.contains(text) }), ContinuousClock.now < limit {}
      return []
    }
    struct Reports: Service { let handlers: [MethodHandler] }
    let server = Server(services: [Reports(handlers: [handler])], options: options)
    defer { server.shutDown() }
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    _ = try await Channel("ipv4:\(address)").unary(method, [])
    MistakePage.check(log.lines.first { $0.contains(text) } ?? "", [text, "/shop.Reports/Render", "Service.on"])
  }
}
