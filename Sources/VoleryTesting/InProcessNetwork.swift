import Synchronization
public import VoleryClient
package import VoleryEventLoops
import VoleryHTTP2Transport
public import VoleryNameResolution
public import VoleryServer
import VoleryTransport
public import VoleryTypes

/// Servers that channels of one test reach, without sockets and without names that other tests could see: any number of tests
/// may use the same ones at the same time.
///
///     let network = InProcessNetwork()
///     try network.add(Server(services: [Orders("a")]), as: "a")
///     try network.add(Server(services: [Orders("b")]), as: "b")
///     let resolver = ManualResolver(scheme: "test")
///     var options = ChannelOptions()
///     options.resolvers.register(resolver)
///     let channel = try network.channel("test:///orders", options: options)
///     resolver.publish(.resolved(Resolution(endpoints: [Endpoint(.inProcess("a")), Endpoint(.inProcess("b"))])))
///
/// It lives as long as its channels. With a `TestClock`, everything that its channels and servers wait for goes by that.
public final class InProcessNetwork: Sendable {
  private struct Member {
    let server: Server
    let listener: InProcessListener
  }

  private let members = Mutex<[String: Member]>([:])
  let loop: any TransportLoop
  let clock: ChannelClock

  /// - Parameter clock: Nil: time passes by itself.
  /// - Throws: UNAVAILABLE where the process can't have its event loops.
  public convenience init(clock: TestClock? = nil) throws(StatusError) {
    let eventLoop: EventLoop
    do throws(SocketError) { eventLoop = try EventLoopGroup.shared().next() } catch {
      throw StatusError(.unavailable, error.description)
    }
    self.init(clock: clock, on: eventLoop)
  }

  /// With a loop of the caller's: for a test that keeps it busy, which others would have to wait for.
  package init(clock: TestClock?, on eventLoop: EventLoop) {
    if let clock { loop = TestLoop(eventLoop, clock: clock) } else { loop = eventLoop }
    self.clock =
      clock.map { clock in ChannelClock(now: { clock.now }, random: { Double.random(in: 0..<1) }) } ?? .system
  }

  /// From now on channels reach the server at `SocketAddress.inProcess(name)`; in place of another one of that name, whose
  /// connections stay.
  public func add(_ server: Server, as name: String) throws(StatusError) {
    let loop = loop
    let listener = try server.startPrivately(as: name) { loop }
    members.withLock { $0[name] = Member(server: server, listener: listener) }
  }

  /// The server is gone, as if its machine had failed: its connections are lost, and connecting fails until `add`.
  public func remove(_ name: String) {
    members.withLock { $0.removeValue(forKey: name) }?.listener.close(reason: "the test has removed \"\(name)\"")
  }

  /// A channel to the network's servers.
  ///
  /// - Parameter target: `in-process:NAME` for one of them, or whatever the options' resolvers know.
  /// - Throws: As `Channel.init`.
  public func channel(_ target: String, options: ChannelOptions = ChannelOptions()) throws(TargetError) -> Channel {
    let target = try Target(parsing: target, knownSchemes: options.resolvers.schemes)
    let connector = Connector(network: self, maxMetadataBytes: options.maxMetadataBytes)
    return Channel(
      core: try ChannelCore(
        target: target, options: options, connectors: ClientConnectors(connector), loop: loop, clock: clock))
  }

  private struct Connector: ClientConnector {
    let network: InProcessNetwork
    let maxMetadataBytes: Int

    func connect(
      to address: SocketAddress, authority: String, serverName: String?, timeout: Duration,
      observer: any ClientConnectionObserver
    ) -> any Dial {
      guard case .inProcess(let name) = address, let member = network.members.withLock({ $0[name] }) else {
        return InProcessListener.refuse(observer, "the test's network has no server at \(address)", on: network.loop)
      }
      return member.listener.connect(maxMetadataBytes: maxMetadataBytes, observer: observer)
    }
  }
}
