import Synchronization
import VoleryClient
import VoleryEventLoops
import VoleryNameResolution
import VoleryServer
import VoleryTransport

/// Forwards the calls that a server's clients make, each on the loop of its client's connection.
final class ProxyForwarder: StreamForwarder {
  private let lanes: [ObjectIdentifier: ProxyLane]
  /// The channels of each target, by the loop, as long as a route leads there.
  fileprivate let channels: Mutex<[ObjectIdentifier: TargetChannels]>

  /// Holds the target, so that its identity stays its own.
  fileprivate struct TargetChannels {
    let target: ProxyTarget
    let byLoop: [ObjectIdentifier: Channel]
  }

  /// Routes that can be had: their channels are made.
  private struct Plan {
    let table: RouteTable
    let targets: [TargetChannels]
    let options: ProxyOptions

    init(
      _ routes: [ProxyRoute], _ options: ProxyOptions, on loops: [EventLoop],
      known: [ObjectIdentifier: TargetChannels]
    ) throws(TargetError) {
      var numbers: [ObjectIdentifier: Int] = [:]
      var targets: [TargetChannels] = []
      for target in routes.flatMap(\.destinations).map(\.target) where numbers[ObjectIdentifier(target)] == nil {
        numbers[ObjectIdentifier(target)] = targets.count
        if let channels = known[ObjectIdentifier(target)] {
          targets.append(channels)
        } else {
          targets.append(try TargetChannels(target, on: loops))
        }
      }
      do throws(RouteTable.RouteError) {
        table = try RouteTable(routes, numbers: numbers)
      } catch {
        throw TargetError(
          "the weights of the route at \(error.route): 0 to \(WeightedTurns.most), and not all of them 0")
      }
      self.targets = targets
      self.options = options
    }

    func content(on loop: EventLoop) -> ProxyLane.Content {
      let destinations = targets.map { target in
        let channel = target.byLoop[ObjectIdentifier(loop)]
        guard let channel else { preconditionFailure("each target has a channel on each loop") }
        return ProxyLane.Destination(
          channel: channel, keepsAuthority: options.keepsAuthority ?? !target.target.credentials.isSecure)
      }
      return ProxyLane.Content(table: table, destinations: destinations, options: options)
    }

    var channels: [ObjectIdentifier: TargetChannels] {
      Dictionary(uniqueKeysWithValues: targets.map { (ObjectIdentifier($0.target), $0) })
    }
  }

  init(_ routes: [ProxyRoute], _ options: ProxyOptions, on group: EventLoopGroup) throws(TargetError) {
    let plan = try Plan(routes, options, on: group.loops, known: [:])
    var lanes: [ObjectIdentifier: ProxyLane] = [:]
    for loop in group.loops { lanes[ObjectIdentifier(loop)] = ProxyLane(plan.content(on: loop), on: loop) }
    self.lanes = lanes
    channels = Mutex(plan.channels)
  }

  /// All of it, or nothing: what can't be had is found before anything changes. Targets that no route leads to any more keep
  /// their connections until their calls have ended.
  func update(_ routes: [ProxyRoute], _ options: ProxyOptions) throws(TargetError) {
    try channels.withLock { channels throws(TargetError) in
      let plan = try Plan(routes, options, on: lanes.values.map(\.loop), known: channels)
      for target in plan.targets { for channel in target.byLoop.values { channel.connect() } }
      for lane in lanes.values { lane.replace(plan.content(on: lane.loop)) }
      // Channels that nobody holds close when their calls have ended.
      channels = plan.channels
    }
  }

  private var current: [Channel] { channels.withLock { $0.values.flatMap { $0.byLoop.values } } }

  func connect() { for channel in current { channel.connect() } }

  func drain(limit: Duration) async {
    await withTaskGroup(of: Void.self) { group in
      for channel in current { group.addTask { await channel.drain(limit: limit) } }
    }
  }

  func accept(
    path: UnsafeRawBufferPointer, head: consuming ServerRequestHead, stream: any ServerStream
  ) -> (any ServerStreamHandler)? {
    guard let lane = lanes[ObjectIdentifier(stream.transportLoop)] else {
      preconditionFailure("a proxy's server has the proxy's loops")
    }
    return lane.accept(path: path, head: head, stream: stream)
  }
}

extension ProxyForwarder.TargetChannels {
  fileprivate init(_ target: ProxyTarget, on loops: [EventLoop]) throws(TargetError) {
    var byLoop: [ObjectIdentifier: Channel] = [:]
    for loop in loops {
      byLoop[ObjectIdentifier(loop)] = try Channel(
        target.target, credentials: target.credentials, options: target.options, on: EventLoopGroup([loop]))
    }
    self.init(target: target, byLoop: byLoop)
  }
}
