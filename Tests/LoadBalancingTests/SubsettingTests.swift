import Testing
import VoleryLoadBalancing
import VoleryTypes

@Suite("Subsets of many servers (gRFC A68)") struct SubsettingTests {
  private func endpoints(_ ports: some Sequence<Int>) -> [Endpoint] { ports.map { Endpoint(.tcp("10.0.0.1", $0)) } }

  /// How many of 100 clients each of the servers has, over the mean.
  private func skew(_ endpoints: [Endpoint], size: Int, _ client: (Int) -> Subset.Client) -> Double {
    var counts: [Endpoint: Int] = [:]
    for number in 0..<100 {
      for endpoint in Subset(size: size, client: client(number)).chosen(of: endpoints) {
        counts[endpoint, default: 0] += 1
      }
    }
    return Double(counts.values.max()! * endpoints.count) / Double(counts.values.reduce(0, +))
  }

  @Test("12 of 200 servers, 100 clients: by number each has the same count of clients; by chance they differ")
  func evenness() {
    let all = endpoints(1...200)
    #expect(skew(all, size: 12) { .numbered($0) } <= 1.10)
    let random = skew(all, size: 12) { .random(salt: UInt64($0) &* 0x9e37_79b9_7f4a_7c15) }
    #expect(random > 1.5 && random < 3)
  }

  @Test("one server in another's place changes one connection of each client at most", arguments: [true, false])
  func replaced(_ numbered: Bool) {
    let (before, after) = (endpoints(1...200), endpoints((1...200).map { $0 == 77 ? 4711 : $0 }))
    for number in 0..<100 {
      let subset = Subset(size: 12, client: numbered ? .numbered(number) : .random(salt: UInt64(number)))
      let (old, new) = (Set(subset.chosen(of: before)), Set(subset.chosen(of: after.shuffled())))
      #expect(old.subtracting(new).count <= 1 && new.count == 12)
    }
  }

  @Test("fewer servers than wanted are all used") func few() {
    #expect(Subset(size: 12, client: .numbered(7)).chosen(of: endpoints([1, 2, 2, 3])).count == 3)
  }

  @Test("the client's number comes from the environment, or from a StatefulSet's pod name") func number() {
    func number(_ environment: [String: String]) -> Int? { Subset.clientNumber { environment[$0] } }
    #expect(number(["VOLERY_CLIENT_INDEX": "4", "HOSTNAME": "web-3"]) == 4)
    #expect(number(["HOSTNAME": "web-3"]) == 3)
    for host in ["web", "web-", "web-x7", "web-99999999999", ""] { #expect(number(["HOSTNAME": host]) == nil) }
    #expect(number(["VOLERY_CLIENT_INDEX": "-1"]) == nil && number([:]) == nil)
  }

  @Test("the child has the subset's servers only, and keeps its connections") func policy() throws {
    let json = #"{"subset_size": 3, "child_policy": [{"round_robin": {}}]}"#
    let channel = try FakeChannel("random_subsetting_experimental", configuration: try JSONValue(parsing: json))
    channel.update(Array(1...20))
    let used = Set(channel.subchannels.keys)
    #expect(used.count == 3)
    channel.update(Array(1...20).reversed())
    #expect(Set(channel.subchannels.keys) == used)
    for id in used { channel.change(id, .ready) }
    #expect(Set((0..<9).compactMap { _ in channel.pickPort() }).count == 3)
  }
}
