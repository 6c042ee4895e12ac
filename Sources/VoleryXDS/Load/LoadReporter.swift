import Synchronization
import VoleryClient
import VoleryTypes
import VoleryWellKnownTypes

/// Tells a control plane of the calls that its clusters get, as often as it wants (gRFC A27, A64, A85): one stream, which begins when
/// there is something to count and is opened again when it ends.
struct LoadReporter: Sendable {
  private struct Wish {
    var interval = Duration.zero
    var clusters: Set<String> = []
    var isAll = false
  }

  /// The newest; nil: there is none yet.
  private final class Wishes: Sendable {
    private let newest = Mutex<Wish?>(nil)
    var current: Wish? { newest.withLock { $0 } }
    func hear(_ wish: Wish) { newest.withLock { $0 = wish } }
  }

  let node: WireNode
  let accounts: ClusterAccounts
  /// Whether a cluster is this control plane's.
  let concerns: @Sendable (ClusterKey) -> Bool

  static let shortestInterval = Duration.seconds(1)
  private static let longestInterval = Duration.seconds(86_400)
  private static let maxClusters = 10_000

  init(node: WireNode, accounts: ClusterAccounts, concerns: @escaping @Sendable (ClusterKey) -> Bool) {
    var node = node
    node.clientFeatures.append("envoy.lrs.supports_send_all_clusters")
    self.node = node
    self.accounts = accounts
    self.concerns = concerns
  }

  /// Until the task is cancelled.
  func run(_ channel: Channel) async {
    var pause = StreamPause()
    while !Task.isCancelled {
      await accounts.untilLoadIsWanted()
      let wait = pause.ended(hasHeard: await converse(channel), random: .random(in: 0..<1))
      guard (try? await Task.sleep(for: wait)) != nil else { return }
    }
  }

  /// Returns whether the control plane has said anything.
  private func converse(_ channel: Channel) async -> Bool {
    let call = WireLoadReportingServiceClient(channel).streamLoadStats()
    let wishes = Wishes()
    let (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    await withTaskCancellationHandler {
      await withTaskGroup { group in
        group.addTask {
          guard (try? await call.send(WireLoadStatsRequest(node: node))) != nil else { return }
          // Nothing is sent before the control plane has said how often.
          for await _ in signals { break }
          while let wish = wishes.current {
            guard (try? await Task.sleep(for: wish.interval)) != nil else { return }
            let request = WireLoadStatsRequest(clusterStats: stats(for: wishes.current ?? wish))
            guard (try? await call.send(request)) != nil else { return }
          }
        }
        do {
          for try await response in call {
            let interval = response.loadReportingInterval?.duration ?? .zero
            wishes.hear(
              Wish(
                interval: min(max(interval, Self.shortestInterval), Self.longestInterval),
                clusters: Set(response.clusters.prefix(Self.maxClusters)), isAll: response.sendAllClusters))
            signal.yield()
          }
        } catch {}
        signal.finish()
        group.cancelAll()
      }
    } onCancel: {
      call.cancel()
    }
    return wishes.current != nil
  }

  private func stats(for wish: Wish) -> [WireClusterStats] {
    accounts.forgetIdleLoads()
    let now = ContinuousClock.now
    return accounts.loads.compactMap { load in
      guard concerns(load.key), wish.isAll || wish.clusters.contains(load.key.cluster) else { return nil }
      return WireClusterStats(load.key, load.take(now: now))
    }
  }
}

extension WireClusterStats {
  init(_ key: ClusterKey, _ snapshot: ClusterLoad.Snapshot) {
    self.init(
      clusterName: key.cluster, clusterServiceName: key.service,
      upstreamLocalityStats: snapshot.localities.map { WireUpstreamLocalityStats($0.place, $0.load) },
      totalDroppedRequests: snapshot.dropped,
      droppedRequests: snapshot.drops.map {
        WireClusterStats.DroppedRequests(category: $0.category, droppedCount: $0.count)
      }, loadReportInterval: Google_Protobuf_Duration(snapshot.interval))
  }
}

extension WireUpstreamLocalityStats {
  init(_ place: XDSLocality, _ load: LocalityLoad.Snapshot) {
    func unnamed(_ name: String) -> WireUnnamedEndpointLoadMetricStats? {
      load.metrics[name].map {
        WireUnnamedEndpointLoadMetricStats(numRequestsFinishedWithMetric: $0.count, totalMetricValue: $0.total)
      }
    }
    self.init(
      locality: WireLocality(region: place.region, zone: place.zone, subZone: place.subZone),
      totalSuccessfulRequests: load.succeeded, totalRequestsInProgress: load.inProgress,
      totalErrorRequests: load.failed,
      totalIssuedRequests: load.issued, cpuUtilization: unnamed("cpu_utilization"),
      memUtilization: unnamed("mem_utilization"), applicationUtilization: unnamed("application_utilization"),
      loadMetricStats: load.metrics.sorted { $0.key < $1.key }.compactMap { name, metric in
        guard name.hasPrefix("named_metrics.") else { return nil }
        return WireEndpointLoadMetricStats(
          metricName: name, numRequestsFinishedWithMetric: metric.count, totalMetricValue: metric.total)
      })
  }
}
