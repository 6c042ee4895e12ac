import Foundation
import VoleryLoadBalancing
import VoleryTypes

/// The third table of Docs/Balancing.md: what the policies that choose *which* servers a client or a call gets make of it. Nothing of
/// it depends on times.
struct ChoiceTable {
  /// Of 100 clients that use 12 of 200 servers.
  struct Subsets {
    let name: String
    let skew: Double
    let changedWhenReplaced: Int
    let changedWhenGone: Double
    let mostChangedWhenGone: Int
  }

  /// Of clients in a zone with 4 of 14 servers, the other two zones having 5 each.
  struct Zones {
    let local: Double
    /// The same zone with one of its servers left: that one's calls over the mean of all eleven.
    let alone: Double
  }

  /// Of 10,000 keys on ten servers.
  struct Keys {
    let skew: Double
    /// Of each server in turn the percentage of keys that move when it goes: the mean, and the most.
    let moved: Double
    let mostMoved: Double
    /// Keys that move though their server is still there.
    let needless: Int
  }

  /// Of servers with weights of 1, 2 and 3.
  struct Weights {
    let policy: String
    /// How far the furthest is from its share, in per cent of that, after so many calls that end at once.
    let after600: Double
  }

  static let start = "<!-- choices: written by `make balancing` -->"
  static let end = "<!-- end of choices -->"

  let subsets: [Subsets]
  let zones: Zones
  let keys: Keys
  let weights: [Weights]

  init() throws {
    subsets = [
      ChoiceTable.subsets("deterministic_subsetting") { .numbered($0) },
      ChoiceTable.subsets("random_subsetting_experimental") {
        .random(salt: UInt64($0) &* 0x9e37_79b9_7f4a_7c15)
      },
    ]
    zones = try ChoiceTable.zones()
    keys = try ChoiceTable.keys()
    weights = try ["rr_least_request", "round_robin", "least_request", "random"].map(ChoiceTable.weights)
  }

  private static func endpoints(_ ports: some Sequence<Int>) -> [Endpoint] {
    ports.map { Endpoint(.tcp("10.0.0.1", $0)) }
  }

  private static func subsets(_ name: String, _ client: (Int) -> Subset.Client) -> Subsets {
    func chosen(_ servers: [Endpoint]) -> [Set<Endpoint>] {
      (0..<100).map { Set(Subset(size: 12, client: client($0)).chosen(of: servers)) }
    }
    let before = chosen(endpoints(1...200))
    let counts = before.joined().reduce(into: [:]) { $0[$1, default: 0] += 1 }
    func changes(_ after: [Set<Endpoint>]) -> [Int] { zip(before, after).map { $1.subtracting($0).count } }
    // Of eight servers each in turn.
    let gone = stride(from: 1, to: 200, by: 25).flatMap { gone in
      changes(chosen(endpoints((1...200).filter { $0 != gone })))
    }
    let replaced = changes(chosen(endpoints((1...200).map { $0 == 77 ? 4711 : $0 })))
    return Subsets(
      name: name, skew: Double(counts.values.max()!) / 6, changedWhenReplaced: replaced.max()!,
      changedWhenGone: Double(gone.reduce(0, +)) / Double(gone.count), mostChangedWhenGone: gone.max()!)
  }

  private static func zones() throws -> Zones {
    func shares(_ zones: [String: Int]) throws -> (local: Double, counts: [Int: Int]) {
      let json = #"{"zone": "a", "childPolicy": [{"rr_least_request": {}}]}"#
      let channel = try FakeChannel("zone_aware", configuration: try JSONValue(parsing: json))
      var all: [Endpoint] = []
      for (zone, count) in zones.sorted(by: { $0.key < $1.key }) {
        for _ in 0..<count {
          var endpoint = Endpoint(.tcp("10.0.0.1", all.count + 1))
          endpoint.attributes.zone = zone
          all.append(endpoint)
        }
      }
      channel.run { [all] in _ = $0.update(all, &$1) }
      channel.makeReady(Array(1...all.count))
      var counts: [Int: Int] = [:]
      for _ in 0..<10_000 { counts[channel.pickPort() ?? 0, default: 0] += 1 }
      let local = (1...zones["a"]!).reduce(0) { $0 + (counts[$1] ?? 0) }
      return (Double(local) / 100, counts)
    }
    let local = try shares(["a": 4, "b": 5, "c": 5]).local
    let few = try shares(["a": 1, "b": 5, "c": 5])
    // This zone has a third of all clients, and the others' clients stay at home.
    return Zones(local: local, alone: Double(few.counts[1] ?? 0) / 10_000 / 3 * 11)
  }

  private static func keys() throws -> Keys {
    let json = #"{"requestHashHeader": "x-key"}"#
    let channel = try FakeChannel("ring_hash_experimental", configuration: try JSONValue(parsing: json))
    func owners(_ ports: [Int]) -> [Int] {
      channel.update(ports)
      channel.makeReady(ports)
      return (0..<10_000).map { channel.pickPort(["x-key": "key \($0)"]) ?? 0 }
    }
    let before = owners(Array(1...10))
    let counts = before.reduce(into: [:]) { $0[$1, default: 0] += 1 }
    var moved: [Double] = []
    var needless = 0
    for gone in 1...10 {
      let after = owners((1...10).filter { $0 != gone })
      moved.append(Double(zip(before, after).count { $0 != $1 }) / 100)
      needless += zip(before, after).count { $0 != $1 && $0 != gone }
    }
    return Keys(
      skew: Double(counts.values.max()!) / 1000, moved: moved.reduce(0, +) / 10, mostMoved: moved.max()!,
      needless: needless)
  }

  private static func weights(_ policy: String) throws -> Weights {
    let channel = try FakeChannel(policy, seed: 5)
    let endpoints = (1...3).map { port in
      var endpoint = Endpoint(.tcp("10.0.0.1", port))
      endpoint.attributes.weight = UInt32(port)
      return endpoint
    }
    channel.run { _ = $0.update(endpoints, &$1) }
    channel.makeReady([1, 2, 3])
    var counts: [Int: Int] = [:]
    for _ in 0..<600 { counts[channel.pickPort() ?? 0, default: 0] += 1 }
    return Weights(
      policy: policy, after600: (1...3).map { abs(Double(counts[$0] ?? 0) / Double(100 * $0) - 1) * 100 }.max()!)
  }

  /// Markdown, between the two marks.
  var text: String {
    func number(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }
    var lines = ["| Policy | Situation | Figures |", "|---|---|---|"]
    for row in subsets {
      lines.append(
        "| `\(row.name)` | 100 clients use 12 of 200 servers each | clients of the server that has the most, over the mean: "
          + "\(number(row.skew, 2)). One server in another's place: at most \(row.changedWhenReplaced) of a client's 12 changes. "
          + "One gone: \(number(row.changedWhenGone, 1)) on average, at most \(row.mostChangedWhenGone) |")
    }
    lines.append(
      "| `zone_aware` | three zones with 4, 5 and 5 servers, as many clients in each; then one left of the 4 | "
        + "\(number(zones.local, 0)) % of the first zone's calls stay; the one that is left gets \(number(zones.alone, 2)) times "
        + "the mean |")
    lines.append(
      "| `ring_hash_experimental` | 10,000 keys, ten servers, one of them goes | keys that move: "
        + "\(number(keys.moved, 1)) % on average, \(number(keys.mostMoved, 1)) % at most; \(keys.needless) whose server is still "
        + "there. Keys of the server that has the most, over the mean: \(number(keys.skew, 2)) |")
    for row in weights {
      lines.append(
        "| `\(row.policy)` | weights of 1, 2 and 3, 600 calls | the server that is furthest from its share misses it by "
          + "\(number(row.after600, 1)) % |")
    }
    return ([ChoiceTable.start, ""] + lines + ["", ChoiceTable.end]).joined(separator: "\n")
  }
}
