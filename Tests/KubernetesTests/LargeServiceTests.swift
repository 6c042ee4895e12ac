import Foundation
import Synchronization
import TestSupport
import Testing
import Volery
import VoleryKubernetes

/// Statement A13 of the laboratory's list: 250 endpoints in 3 slices. The pods are one server on 250 addresses of the loopback
/// network, which no machine but Linux has; the figures are printed.
@Suite("A Service with 250 pods in 3 EndpointSlices", .serialized, .timeLimit(.minutes(4)))
struct LargeServiceTests {
  private static let hosts = (1...250).map { "127.0.13.\($0)" }

  private struct Echo: Service {
    static let call = Method<[UInt8], [UInt8]>(service: "lab.Pods", name: "Call", kind: .unary)

    var handlers: [MethodHandler] { [.unary(Echo.call) { request, _ in request }] }
  }

  private func server() throws -> (Server, Int) {
    let server = Server(services: [Echo()])
    let address = try server.start(listeningOn: ListenAddress.tcp("0.0.0.0", 0))[0]
    let port = try #require("\(address)".split(separator: ":").last.flatMap { Int($0) })
    return (server, port)
  }

  private func put(_ api: StandIn, _ index: Int, port: Int, notReady: [String] = []) throws {
    let bounds = [0..<100, 100..<200, 200..<250][index]
    try api.put(
      "orders-\(index)", Array(Self.hosts[bounds]), port: port,
      ["first": "\(bounds.lowerBound)", "not_ready": notReady.joined(separator: "+")])
  }

  private func pod(_ channel: Channel) async throws -> String {
    let response = try await channel.unary(Echo.call, [], options: CallOptions(timeout: .seconds(20)))
    return "\(response.peer.map { "\($0.address)" } ?? "nobody")".split(separator: ":").first.map(String.init) ?? ""
  }

  @Test("A13: all are eligible; a slice's update changes its own; readiness, 410 and an API server that is away")
  func a13() async throws {
    let (server, port) = try server()
    defer { server.shutDown() }
    let api = try StandIn()
    for index in 0..<3 { try put(api, index, port: port) }
    var factory = try api.factory()
    factory.backoff.maximum = .seconds(1)
    var options = ChannelOptions()
    options.resolvers.register(factory)
    options.loadBalancingPolicy = "round_robin"
    let channel = try Channel("k8s:///orders.shop:grpc", options: options)
    defer { channel.close() }
    let heard = try Heard(factory)
    try await eventually("250 endpoints are known") { heard.hosts?.count == 250 }
    #expect(Set(heard.hosts ?? []) == Set(Self.hosts))
    var reached: Set<String> = []
    let first = ContinuousClock.now
    try await eventually("all 250 are called, \(reached.count) are", within: .seconds(60)) {
      reached.insert(try await pod(channel))
      return reached == Set(Self.hosts)
    }
    let reachedAfter = first.duration(to: .now)

    // One slice changes: the endpoints of the others are the same, and where they were.
    let before = heard.hosts ?? []
    let flipped = "127.0.13.7"
    let start = ContinuousClock.now
    try put(api, 0, port: port, notReady: [flipped])
    try await eventually("the pod is not in the answer") { heard.hosts?.contains(flipped) == false }
    let heardAfter = start.duration(to: .now)
    #expect(heard.hosts == before.filter { $0 != flipped })
    // Nobody picks it any more: 300 calls in a row, which would reach each pod.
    var last = start
    var misses = 0
    try await eventually("300 calls in a row miss it", within: .seconds(60)) {
      misses += 1
      if try await pod(channel) == flipped { (last, misses) = (.now, 0) }
      return misses == 300
    }
    let pickedUntil = start.duration(to: last)

    let again = ContinuousClock.now
    try put(api, 0, port: port)
    try await eventually("the pod is called again", within: .seconds(60)) { try await pod(channel) == flipped }
    let pickedAfter = again.duration(to: .now)
    #expect(heard.hosts == before)

    // 410: a new list, and never less than there is.
    let answers = heard.resolutions.count
    try api.tell("forget")
    try api.tell("compact")
    try api.tell("end", ["how": "gone"])
    try await eventually("it is listed anew") { try api.requests.contains { $0.verb == "list" } }
    try put(api, 2, port: port, notReady: ["127.0.13.250"])
    try await eventually("the watch goes on") { heard.hosts?.count == 249 }
    #expect(heard.resolutions.dropFirst(answers).allSatisfy { $0.endpoints.count >= 249 }, "there was no gap")

    // The API server is away: VOLERY_A13=full for a minute.
    let away = Duration.seconds(ProcessInfo.processInfo.environment["VOLERY_A13"] == "full" ? 60 : 3)
    try api.tell("down")
    let end = ContinuousClock.now.advanced(by: away)
    var calls = 0
    while .now < end {
      _ = try await pod(channel)
      calls += 1
    }
    #expect(heard.hosts?.count == 249)
    let back = ContinuousClock.now
    try put(api, 2, port: port)
    try api.tell("up")
    try await eventually("what changed meanwhile is heard") { heard.hosts?.count == 250 }
    let heardAgain = back.duration(to: .now)
    print(
      "A13: all 250 called after \(milliseconds(reachedAfter)) ms; not ready -> heard \(milliseconds(heardAfter)) ms, last picked \(milliseconds(pickedUntil)) ms; ready -> picked "
        + "\(milliseconds(pickedAfter)) ms; API server away \(away): 0 of \(calls) calls failed, heard \(milliseconds(heardAgain)) ms "
        + "after it was back")
  }

  private func milliseconds(_ duration: Duration) -> Int { Int(duration / .milliseconds(1)) }
}
