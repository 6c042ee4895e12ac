public import VoleryClient
public import VoleryServer
import VoleryTypes

extension Channel {
  /// A channel to a server of its own with these services, in this process, without sockets and names: calls go the whole way,
  /// through interceptors, limits and deadlines on both sides. It lives as long as the channel, and any number of tests may have
  /// one at the same time.
  ///
  ///     let greeter = GreeterClient(try .inProcess(Hello()))
  ///
  /// - Throws: `TargetError` as `Channel.init`; UNAVAILABLE where the process can't have its event loops.
  public static func inProcess(
    _ services: any Service..., serverOptions: ServerOptions = ServerOptions(),
    options: ChannelOptions = ChannelOptions(), clock: TestClock? = nil
  ) throws -> Channel {
    try inProcess(Server(services: services, options: serverOptions), options: options, clock: clock)
  }

  /// The same to a server that the test has made, and may drain or shut down.
  public static func inProcess(
    _ server: Server, options: ChannelOptions = ChannelOptions(), clock: TestClock? = nil
  ) throws -> Channel {
    let network = try InProcessNetwork(clock: clock)
    try network.add(server, as: "server")
    return try network.channel("in-process:server", options: options)
  }

  /// Stands in for a server, one closure for each method that the test's calls go to: what to give a generated client whose
  /// server is not what is tested.
  ///
  ///     let inventory = InventoryClient(try .answering(
  ///       .unary(InventoryMethods.take) { request, _ in
  ///         #expect(request.count == 2)
  ///         return Taken(left: 5)
  ///       },
  ///       .serverStreaming(InventoryMethods.watch) { _, responses, _ in
  ///         try await responses.write(Level(count: 5))
  ///         throw StatusError(.unavailable, "the stock is closed")
  ///       }))
  ///
  /// Calls of other methods end with UNIMPLEMENTED and the method's name.
  public static func answering(
    _ handlers: MethodHandler..., options: ChannelOptions = ChannelOptions(), clock: TestClock? = nil
  ) throws -> Channel {
    var serverOptions = ServerOptions()
    serverOptions.fallback = { service, name in
      let method = Method<[UInt8], [UInt8]>(service: service, name: name, kind: .bidirectional)
      return .bidirectional(method) { _, _, _ in
        throw StatusError(.unimplemented, "the test has no closure for /\(service)/\(name)")
      }
    }
    return try inProcess(StandIn(handlers: handlers), serverOptions: serverOptions, options: options, clock: clock)
  }
}

private struct StandIn: Service {
  let handlers: [MethodHandler]
}
