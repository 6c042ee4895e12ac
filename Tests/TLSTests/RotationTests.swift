import Foundation
import Synchronization
import TestSupport
import Testing
import Volery

/// Certificates replaced under load. Short in the ordinary run; `make rotation` runs it at its full length, 10 times in 20
/// seconds at 500 calls a second.
@Suite("Rotation under load", .timeLimit(.minutes(2))) struct RotationTests {
  struct Plan {
    var rotations: Int
    var period: Duration
    var callsPerSecond: Int
    var reloadInterval: Duration
    /// Within which new files have to be read.
    var patience: Duration

    static var current: Plan {
      ProcessInfo.processInfo.environment["VOLERY_ROTATION"] == "full"
        ? Plan(
          rotations: 10, period: .seconds(2), callsPerSecond: 500, reloadInterval: .seconds(1), patience: .seconds(2))
        : Plan(
          rotations: 3, period: .milliseconds(500), callsPerSecond: 200, reloadInterval: .milliseconds(50),
          patience: .seconds(20))
    }
  }

  final class Book: Sendable {
    let calls = Atomic<Int>(0)
    let failures = Mutex<[String]>([])
    let stops = Atomic<Bool>(false)
  }

  /// Calls at a fixed rate until told to stop; each fiftieth on a connection of its own.
  static func load(_ plan: Plan, on channel: Channel, fresh: @escaping @Sendable () throws -> Channel, _ book: Book)
    async
  {
    await withTaskGroup(of: Void.self) { group in
      let start = ContinuousClock.now
      var number = 0
      while !book.stops.load(ordering: .relaxed), !Task.isCancelled {
        let isFresh = number % 50 == 0
        group.addTask {
          do {
            _ = try await (isFresh ? fresh() : channel).echo()
          } catch {
            book.failures.withLock { $0.append("\(error)") }
          }
          book.calls.add(1, ordering: .relaxed)
        }
        number += 1
        let due = start.advanced(by: .seconds(1) * number / plan.callsPerSecond)
        try? await Task.sleep(until: due, clock: .continuous)
      }
    }
  }

  @Test("no call fails while certificates are replaced, and new connections show the new one") func rotation()
    async throws
  {
    let plan = Plan.current
    let secret = try SecretFolder()
    try secret.swap(certificate: "server")
    var options = TLSOptions()
    options.reloadInterval = plan.reloadInterval
    let credentials = ServerCredentials.tls(
      certificate: secret.certificate, key: secret.key, clients: .required(secret.roots), options: options)
    let identity = Certificates.client
    try await TLSStage.with(credentials) { stage in
      let tls = ChannelCredentials.tls(roots: Certificates.roots, identity: identity)
      let channel = try stage.channel(tls)
      _ = try await channel.echo()
      let book = Book()
      async let load: Void = Self.load(plan, on: channel, fresh: { try stage.channel(tls) }, book)
      for round in 0..<plan.rotations {
        let name = round % 2 == 0 ? "server2" : "server"
        let started = ContinuousClock.now
        try secret.swap(certificate: name)
        try await stage.log.lines(containing: "certificates were read anew", count: round + 1)
        #expect(started.duration(to: .now) < plan.patience, "the new certificate holds")
        let shown = try await stage.channel(tls).echo().peer?.identity?.commonName
        #expect(shown == name)
        try await Task.sleep(until: started.advanced(by: plan.period), clock: .continuous)
      }
      book.stops.store(true, ordering: .relaxed)
      await load
      let failures = book.failures.withLock { $0 }
      let calls = book.calls.load(ordering: .relaxed)
      #expect(failures.isEmpty, "\(failures.count) of \(calls) calls failed: \(failures.prefix(3))")
      #expect(calls >= plan.rotations * plan.callsPerSecond / 4)
      print("\(plan.rotations) rotations, \(calls) calls, \(failures.count) failed")
    }
  }
}
