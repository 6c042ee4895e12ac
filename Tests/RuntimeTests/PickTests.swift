import Synchronization
import TestSupport
import Testing
import Volery

/// Picks that want more than a subchannel, and the selector of each call's configuration: over real sockets.
@Suite("Picks and selected configurations", .timeLimit(.minutes(1))) struct PickTests {
  /// What pickers have heard.
  final class Notes: Sendable {
    private struct State {
      var picks = 0
      var ends: [PickEnd] = []
      var requests: [PickRequest] = []
      var calledTwice = false
    }
    private let state = Mutex(State())

    var picks: Int { state.withLock { $0.picks } }
    var ends: [PickEnd] { state.withLock { $0.ends } }
    var requests: [PickRequest] { state.withLock { $0.requests } }
    var calledTwice: Bool { state.withLock { $0.calledTwice } }

    /// What a pick calls at its end.
    func picked(_ request: PickRequest) -> @Sendable (PickEnd) -> Void {
      state.withLock { state in
        state.picks += 1
        state.requests.append(request)
      }
      let isOver = OneTime()
      return { [self] end in
        state.withLock { state in
          if !isOver.first() { state.calledTwice = true }
          state.ends.append(end)
        }
      }
    }
  }

  final class OneTime: Sendable {
    private let used = Mutex(false)
    func first() -> Bool {
      used.withLock { used in
        defer { used = true }
        return !used
      }
    }
  }

  /// Wraps `round_robin`: each pick adds metadata and is noted to its end.
  struct Noting: LoadBalancingPolicyFactory {
    let name = "noting"
    let notes: Notes
    var metadata: Metadata = [:]

    func makePolicy(configuration: JSONValue, context: PolicyContext) throws -> any LoadBalancingPolicy {
      let list = try JSONValue(parsing: "[{\"round_robin\": {}}]")
      let child = try context.registry.makeChild(list, of: name, context: context)
      return NotingPolicy(child: ChildPolicy(child, name: "round_robin"), factory: self)
    }
  }

  struct NotingPolicy: LoadBalancingPolicy {
    var child: ChildPolicy
    let factory: Noting

    mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
      defer { publish(&effects) }
      return child.update(endpoints, &effects)
    }
    mutating func subchannelChanged(
      _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
    ) {
      child.subchannelChanged(id, to: state, error: error, &effects)
      publish(&effects)
    }
    mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
      child.resolverFailed(error, &effects)
      publish(&effects)
    }
    private mutating func publish(_ effects: inout PolicyEffects) {
      guard child.takeNews() else { return }
      effects.publish(child.state, NotingPicker(inner: child.picker, notes: factory.notes, metadata: factory.metadata))
    }
  }

  struct NotingPicker: Picker {
    let inner: any Picker
    let notes: Notes
    let metadata: Metadata
    func pick(for call: PickRequest) -> PickResult {
      let result = inner.pick(for: call)
      guard let subchannel = result.subchannel else { return result }
      return .attempt(Pick(subchannel, metadata: metadata, ended: notes.picked(call)))
    }
  }

  /// Sends back what it got as `x-in`, with a load report.
  struct Reporting: Service {
    static let call = Method<[UInt8], [UInt8]>(service: "test.Reporting", name: "Call", kind: .unary)
    var handlers: [MethodHandler] {
      [
        .unary(Reporting.call) { _, context in
          var trailing = Metadata()
          trailing[binary: "endpoint-load-metrics-bin"] = [9, 0, 0, 0]
          context.trailingMetadata = trailing
          return Array((context.metadata.values("x-in").joined(separator: ",")).utf8)
        }
      ]
    }
  }

  private static let limit = CallOptions(timeout: .seconds(20))

  private func start() throws -> (Server, SocketAddress) {
    let server = Server(services: [RawEcho(), Reporting()])
    return (server, try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0])
  }

  private func channel(to address: SocketAddress, _ policy: Noting) throws -> Channel {
    var options = ChannelOptions()
    options.loadBalancingPolicies.register(policy)
    options.loadBalancingPolicy = "noting"
    return try Channel(address.target, options: options)
  }

  @Test("a pick's metadata is sent after the call's own, and it hears of status, trailers, load and time") func heard()
    async throws
  {
    let (server, address) = try start()
    defer { server.shutDown() }
    let notes = Notes()
    let channel = try channel(to: address, Noting(notes: notes, metadata: ["x-in": "picker"]))
    var options = Self.limit
    options.metadata = ["x-in": "caller"]
    #expect(try await channel.unary(Reporting.call, [], options: options).message == Array("caller,picker".utf8))
    try await eventually("the pick hears") { notes.ends.count == notes.picks }
    let end = try #require(notes.ends.last)
    #expect(end.code == .ok && end.wasSent && end.loadReport == [9, 0, 0, 0] && end.duration > .zero)
    await #expect(throws: StatusError.self) { try await channel.unary(RawEcho.fail, [65], options: Self.limit) }
    try await eventually("the pick hears") { notes.ends.count == notes.picks }
    #expect(notes.ends.last?.code == .failedPrecondition && notes.ends.last?.origin == .peer)
    #expect(notes.ends.last?.trailingMetadata["reason"] == "asked")
    #expect(notes.ends.last?.loadReport == nil)
  }

  @Test("metadata of a picker that can't be sent ends the call, and the text says whose it is") func badMetadata()
    async throws
  {
    let (server, address) = try start()
    defer { server.shutDown() }
    let notes = Notes()
    let channel = try channel(to: address, Noting(notes: notes, metadata: ["grpc-mine": "1"]))
    let error = await #expect(throws: StatusError.self) {
      try await channel.unary(RawEcho.unary, [1], options: Self.limit)
    }
    #expect(error?.code == .internal)
    #expect(error?.message.contains("the picker of the load balancing policy \"noting\" adds metadata") == true)
    #expect(notes.ends.count == notes.picks && notes.ends.allSatisfy { !$0.wasSent })
  }

  @Test("every pick hears once, whatever becomes of it: cancelled, late, hedged, lost before it was sent") func once()
    async throws
  {
    let (server, address) = try start()
    let notes = Notes()
    var options = ChannelOptions()
    options.loadBalancingPolicies.register(Noting(notes: notes))
    options.loadBalancingPolicy = "noting"
    options.serviceConfig = try ServiceConfig(
      json: """
        {"methodConfig": [{"name": [{"service": "test.Raw", "method": "Hang"}], \
        "hedgingPolicy": {"maxAttempts": 3, "hedgingDelay": "0.01s"}}]}
        """)
    let channel = try Channel(address.target, options: options)
    try await channel.waitUntilReady(.after(.seconds(20)))
    await withTaskGroup(of: Void.self) { group in
      for index in 0..<60 {
        group.addTask {
          let short = CallOptions(timeout: .milliseconds(20 + index))
          // Some are answered, most are not; what matters is what their picks hear.
          switch index % 4 {
          case 0: await Self.attempt { try await channel.unary(RawEcho.hang, [1], options: short) }
          case 1: await Self.attempt { try await channel.unary(RawEcho.unary, [1], options: short) }
          case 2:
            let call = Task { try await channel.unary(RawEcho.hang, [1], options: Self.limit) }
            await Task.yield()
            call.cancel()
            await Self.attempt { try await call.value }
          default: channel.bidirectional(RawEcho.chat, options: short).cancel()
          }
        }
        if index == 40 { server.shutDown() }
      }
    }
    channel.close()
    try await eventually("all picks have heard: \(notes.picks)") { notes.ends.count == notes.picks }
    // How many there are is the schedule's word: the server goes away early.
    #expect(notes.picks > 5)
    #expect(!notes.calledTwice)
  }

  @Test("a picker that names another channel's subchannel ends its call, not the channel") func foreign() async throws {
    struct Borrowing: LoadBalancingPolicy, LoadBalancingPolicyFactory {
      let name = "borrowing"
      let subchannel: @Sendable () -> Subchannel?
      func makePolicy(configuration: JSONValue, context: PolicyContext) -> any LoadBalancingPolicy { self }
      mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
        if let subchannel = subchannel() { effects.publish(.ready, SinglePicker(subchannel: subchannel)) }
        return true
      }
      mutating func subchannelChanged(
        _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
      ) {}
      mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {}
    }
    struct Lending: LoadBalancingPolicy, LoadBalancingPolicyFactory {
      let name = "lending"
      let lend: @Sendable (Subchannel) -> Void
      func makePolicy(configuration: JSONValue, context: PolicyContext) -> any LoadBalancingPolicy { self }
      mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
        lend(effects.subchannel(for: endpoints[0]))
        return true
      }
      mutating func subchannelChanged(
        _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
      ) {}
      mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {}
    }
    let lent = LockedBox<Subchannel?>(nil)
    var options = ChannelOptions()
    options.loadBalancingPolicies.register(Lending { made in lent.set(made) })
    options.loadBalancingPolicies.register(Borrowing { lent.get() })
    options.loadBalancingPolicy = "lending"
    let lender = try Channel("static:///127.0.0.1:1", options: options)
    lender.connect()
    try await eventually("it is made") { lent.get() != nil }
    options.loadBalancingPolicy = "borrowing"
    let channel = try Channel("static:///127.0.0.1:1", options: options)
    let error = await #expect(throws: StatusError.self) {
      try await channel.unary(RawEcho.unary, [1], options: Self.limit)
    }
    #expect(error?.code == .internal)
    let text = "the load balancing policy \"borrowing\" picks a server that is not of this channel: 127.0.0.1:1"
    #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
    lender.close()
  }

  /// Picks its one server, or what it is given instead.
  struct Single: LoadBalancingPolicy, LoadBalancingPolicyFactory {
    let name = "single"
    var made: @Sendable (Subchannel) -> Void = { _ in }
    var instead: @Sendable () -> Subchannel? = { nil }
    private var own: Subchannel?

    init(made: @escaping @Sendable (Subchannel) -> Void) { self.made = made }
    init(instead: @escaping @Sendable () -> Subchannel?) { self.instead = instead }

    func makePolicy(configuration: JSONValue, context: PolicyContext) -> any LoadBalancingPolicy { self }
    mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
      guard own == nil else { return true }
      let own = effects.subchannel(for: endpoints[0])
      self.own = own
      made(own)
      effects.connect(own.id)
      effects.publish(.connecting, QueueingPicker())
      return true
    }
    mutating func subchannelChanged(
      _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
    ) {
      if state == .ready, let own { effects.publish(.ready, SinglePicker(subchannel: instead() ?? own)) }
    }
    mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {}
  }

  @Test("a picker that names another channel's subchannel is found out, though it has one of its own that is ready")
  func foreignBesideOwn() async throws {
    let (server, address) = try start()
    defer { server.shutDown() }
    let lent = LockedBox<Subchannel?>(nil)
    var options = ChannelOptions()
    options.loadBalancingPolicy = "single"
    options.loadBalancingPolicies.register(Single(made: { lent.set($0) }))
    let lender = try Channel(address.target, options: options)
    #expect(try await lender.unary(RawEcho.unary, [1], options: Self.limit).message == [1])
    options.loadBalancingPolicies.register(Single(instead: { lent.get() }))
    let channel = try Channel(address.target, options: options)
    let error = await #expect(throws: StatusError.self) {
      try await channel.unary(RawEcho.unary, [1], options: Self.limit)
    }
    #expect(error?.code == .internal)
    let text = "the load balancing policy \"single\" picks a server that is not of this channel: \(address)"
    #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
    lender.close()
  }

  /// Holds the first attempt back, between its pick and its stream.
  struct HoldingFirst: ClientInterceptor {
    let isHeld: LockedBox<Bool>
    let gate: AsyncStream<Void>
    func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws {
      if !isHeld.get() {
        isHeld.set(true)
        for await _ in gate { break }
      }
      try await next()
    }
  }

  @Test("a pick whose connection is lost before the attempt was sent hears that nothing was; the call goes elsewhere")
  func lostBeforeSent() async throws {
    let (first, firstAddress) = try start()
    let (second, secondAddress) = try start()
    defer { second.shutDown() }
    let notes = Notes()
    let (gate, opening) = AsyncStream.makeStream(of: Void.self)
    let holding = HoldingFirst(isHeld: LockedBox(false), gate: gate)
    let resolver = ManualResolver(scheme: "moving")
    resolver.publish(.resolved(Resolution(endpoints: [Endpoint(firstAddress)])))
    var options = ChannelOptions()
    options.resolvers.register(resolver)
    options.loadBalancingPolicies.register(Noting(notes: notes))
    options.loadBalancingPolicy = "noting"
    options.attemptInterceptors = [holding]
    let channel = try Channel("moving:///orders", options: options)
    let call = Task { try await channel.unary(RawEcho.unary, [1], options: Self.limit) }
    try await eventually("the attempt is held") { holding.isHeld.get() }
    first.shutDown()
    try await eventually("its connection is lost") { channel.state != .ready }
    resolver.publish(.resolved(Resolution(endpoints: [Endpoint(secondAddress)])))
    try await channel.waitUntilReady(.after(.seconds(20)))
    opening.finish()
    #expect(try await call.value.peer?.address == secondAddress)
    try await eventually("all picks have heard") { notes.ends.count == notes.picks }
    let lost = try #require(notes.ends.first)
    #expect(!lost.wasSent && lost.code == .cancelled && lost.origin == .local && lost.trailingMetadata.isEmpty)
    #expect(notes.ends.last?.wasSent == true && notes.ends.last?.code == .ok)
    #expect(!notes.calledTwice)
  }

  @Test("and where there is nowhere else to go, the call's error says which server was lost, and how")
  func lostBeforeSentForGood() async throws {
    let (server, address) = try start()
    let notes = Notes()
    let (gate, opening) = AsyncStream.makeStream(of: Void.self)
    let holding = HoldingFirst(isHeld: LockedBox(false), gate: gate)
    var options = ChannelOptions()
    options.loadBalancingPolicies.register(Noting(notes: notes))
    options.loadBalancingPolicy = "noting"
    options.attemptInterceptors = [holding]
    let channel = try Channel(address.target, options: options)
    let call = Task { try await channel.unary(RawEcho.unary, [1], options: Self.limit) }
    try await eventually("the attempt is held") { holding.isHeld.get() }
    server.shutDown()
    try await eventually("its connection is lost") { channel.state != .ready }
    opening.finish()
    let error = await #expect(throws: StatusError.self) { try await call.value }
    #expect(error?.code == .unavailable)
    #expect(error?.message.contains("\(address)") == true, "\(error?.message ?? "")")
    try await eventually("all picks have heard") { notes.ends.count == notes.picks }
    #expect(notes.ends.allSatisfy { !$0.wasSent } && !notes.calledTwice)
  }

  final class LockedBox<Value: Sendable>: Sendable {
    private let value: Mutex<Value>
    init(_ value: Value) { self.value = Mutex(value) }
    func get() -> Value { value.withLock { $0 } }
    func set(_ new: Value) { value.withLock { $0 = new } }
  }

  private static func attempt(_ body: () async throws -> ClientResponse<[UInt8]>) async {
    do { _ = try await body() } catch { #expect(error is StatusError, "\(error)") }
  }

  // MARK: The config selector

  final class Routes: ConfigSelector {
    let committed = LockedBox(0)
    let asked = LockedBox(0)
    func configuration(of call: ConfigSelectorRequest) throws(StatusError) -> CallConfiguration {
      asked.set(asked.get() + 1)
      switch call.metadata["x-route"] {
      case "nowhere": throw StatusError(.unavailable, "no route for \(call.method.path)")
      case "odd": throw StatusError(.notFound, "no route")
      case "short":
        var config = MethodConfig()
        config.timeout = .milliseconds(50)
        return CallConfiguration(methodConfig: config)
      default: break
      }
      var chosen = CallConfiguration()
      chosen.hash = 42
      chosen.attributes.cluster = "blue"
      chosen.metadata = call.metadata
      chosen.metadata?.append("selector", for: "x-in")
      chosen.committed = { [committed] in committed.set(committed.get() + 1) }
      return chosen
    }
  }

  private func routed(_ routes: Routes, _ notes: Notes) throws -> (Server, Channel, ManualResolver, Resolution) {
    let (server, address) = try start()
    let resolver = ManualResolver(scheme: "routed")
    var resolution = Resolution(endpoints: [Endpoint(address)])
    resolution.attributes.configSelector = routes
    var options = ChannelOptions()
    options.resolvers.register(resolver)
    options.loadBalancingPolicies.register(Noting(notes: notes))
    options.loadBalancingPolicy = "noting"
    return (server, try Channel("routed:///orders", options: options), resolver, resolution)
  }

  @Test("a selector gives each call its hash, cluster, metadata and timeout, is asked once, and hears of its commit")
  func selected() async throws {
    let (routes, notes) = (Routes(), Notes())
    let (server, channel, resolver, resolution) = try routed(routes, notes)
    defer { server.shutDown() }
    // This one comes before the resolver has said anything, and is asked for all the same.
    async let early = channel.unary(Reporting.call, [], options: Self.limit)
    try await eventually("the channel has woken") { channel.state == .connecting }
    resolver.publish(.resolved(resolution))
    #expect(try await early.message == Array("selector".utf8))
    try await eventually("commit") { routes.committed.get() == 1 }
    let call = try await channel.unary(Reporting.call, [], options: Self.limit)
    #expect(call.message == Array("selector".utf8))
    try await eventually("commit") { routes.committed.get() == 2 }
    #expect(routes.asked.get() == 2)
    #expect(notes.requests.allSatisfy { $0.hash == 42 && $0.attributes.cluster == "blue" })

    var options = Self.limit
    options.metadata = ["x-route": "short"]
    let late = await #expect(throws: StatusError.self) {
      try await channel.unary(RawEcho.hang, [1], options: options)
    }
    #expect(late?.code == .deadlineExceeded)
  }

  @Test("what a selector throws ends the call, and is INTERNAL where only an application may say it") func refused()
    async throws
  {
    let (routes, notes) = (Routes(), Notes())
    let (server, channel, resolver, resolution) = try routed(routes, notes)
    defer { server.shutDown() }
    resolver.publish(.resolved(resolution))
    try await channel.waitUntilReady(.after(.seconds(20)))
    var options = Self.limit
    options.metadata = ["x-route": "nowhere"]
    let refused = await #expect(throws: StatusError.self) {
      try await channel.unary(RawEcho.unary, [1], options: options)
    }
    #expect(refused?.code == .unavailable && refused?.message.contains("no route for /test.Raw/Unary") == true)
    options.metadata = ["x-route": "odd"]
    let odd = await #expect(throws: StatusError.self) {
      try await channel.unary(RawEcho.unary, [1], options: options)
    }
    #expect(odd?.code == .internal && odd?.message.contains("the config selector said NOT_FOUND") == true)
    // The next answer has none: the service config holds again.
    resolver.publish(.resolved(Resolution(endpoints: resolution.endpoints)))
    try await eventually("the selector is gone") {
      (try? await channel.unary(RawEcho.unary, [1], options: options).message) == [1]
    }
  }
}
