import Foundation
import TestSupport
import Testing
import Volery

@testable import VoleryHTTP2Transport

/// Streams that are begun and thrown away: as many as a good client may come to, and no more.
@Suite("Resets of streams", .timeLimit(.minutes(1))) struct StreamResetTests {
  static let enhanceYourCalm: UInt32 = 11

  /// What a client does to one stream after another.
  enum Attack: CaseIterable, Sendable {
    case reset, windowOverflow, wrongLength, malformed, dataAfterReset, tooManyStreams

    func frames(_ stream: UInt32) -> [ScriptedFrame] {
      let hang = ScriptedFrame.headers(stream, ScriptedService.request("Hang"))
      return switch self {
      case .reset: [hang, .reset(stream, 8)]
      case .windowOverflow: [hang, .windowUpdate(stream, 0x7fff_ffff)]
      case .wrongLength:
        [.headers(stream, ScriptedPeer.request + [("content-length", "1")]), .data(stream, ScriptedPeer.emptyMessage)]
      case .malformed: [.headers(stream, ScriptedPeer.request + [("connection", "close")])]
      case .dataAfterReset: [hang, .data(stream, [0, 0xff, 0xff, 0xff, 0xff]), .reset(stream, 8), .data(stream, [1])]
      case .tooManyStreams: [hang]
      }
    }
  }

  @Test(
    "60,000 streams that are reset end their connection with ENHANCE_YOUR_CALM, whoever is made to reset them",
    arguments: Attack.allCases)
  func attack(_ attack: Attack) async throws {
    try await ScriptedService.serve { address in
      let peer = try ScriptedPeer.client(of: address)
      Thread.detachNewThread {
        for start in stride(from: 0, to: 60_000, by: 100) {
          peer.say((start..<(start + 100)).flatMap { attack.frames(UInt32(2 * $0 + 1)) })
        }
      }
      try peer.listen("end of the connection", orClosed: true) { $0.goAway != nil }
      #expect(peer.goAway?.errorCode == Self.enhanceYourCalm)
      #expect(peer.goAway?.debugText == "too_many_resets")
    }
  }

  @Test("a tenth of the calls may be cancelled, however many they are") func proportion() async throws {
    var options = ServerOptions()
    options.maxStreamResets = 50
    try await ScriptedService.serve(options: options) { address in
      let peer = try ScriptedPeer.client(of: address)
      var stream: UInt32 = 1
      for _ in 0..<300 {
        var frames: [ScriptedFrame] = [.headers(stream, ScriptedService.request("Hang")), .reset(stream, 8)]
        for _ in 0..<9 {
          stream += 2
          frames += StreamStateTests.call(stream)
        }
        peer.say(frames)
        try peer.listen("answers", orClosed: true) { $0.goAway != nil || $0.hasEnded(stream) }
        stream += 2
      }
      #expect(peer.goAway == nil)
    }
  }

  @Test("1,500 cancelled of 3,000 calls pass, whatever the library's own limit is") func everyOther() async throws {
    try await ScriptedService.serve { address in
      let peer = try ScriptedPeer.client(of: address)
      for index in 0..<1500 {
        let stream = UInt32(4 * index + 1)
        peer.say(Attack.reset.frames(stream) + StreamStateTests.call(stream + 2))
        try peer.listen("answer", orClosed: true) { $0.goAway != nil || $0.hasEnded(stream + 2) }
        guard peer.goAway == nil, !peer.isClosed else { break }
      }
      #expect(peer.goAway == nil && !peer.isClosed)
    }
  }

  @Test("the limit can be set, and more than it is too many") func limit() async throws {
    var options = ServerOptions()
    options.maxStreamResets = 5
    try await ScriptedService.serve(options: options) { address in
      let peer = try ScriptedPeer.client(of: address)
      for index in 0..<5 { peer.say(Attack.reset.frames(UInt32(2 * index + 1))) }
      try peer.listenToPing()
      #expect(peer.goAway == nil)
      for index in 5..<20 { peer.say(Attack.reset.frames(UInt32(2 * index + 1))) }
      try peer.listen("end of the connection", orClosed: true) { $0.goAway != nil }
      #expect(peer.goAway?.errorCode == Self.enhanceYourCalm)
    }
  }

  @Test("calls that are reset at their deadline don't count") func deadlines() async throws {
    var options = ServerOptions()
    options.maxStreamResets = 5
    try await ScriptedService.serve(options: options) { address in
      let peer = try ScriptedPeer.client(of: address)
      let streams = (0..<20).map { UInt32(2 * $0 + 1) }
      let request = ScriptedService.request("Hang") + [("grpc-timeout", "3S")]
      peer.say(streams.flatMap { [.headers($0, request), .data($0, ScriptedPeer.emptyMessage, ends: true)] })
      // Shortly before the server's own clock would end them.
      Thread.sleep(forTimeInterval: 2.85)
      peer.say(streams.map { .reset($0, 8) })
      try peer.listenToPing()
      #expect(peer.goAway == nil)
    }
  }

  typealias Instant = ContinuousClock.Instant

  @Test("5,000 cancelled of 50,000 calls in 10 seconds pass, 60,000 resets in 1.2 seconds don't") func arithmetic() {
    let start = ContinuousClock.now
    func at(_ seconds: Double) -> Instant { start.advanced(by: .seconds(seconds)) }
    var limit = StreamResetLimit(1000, now: start)
    for index in 0..<50_000 {
      if index % 10 == 0 {
        let isTooMany = limit.reset(now: at(Double(index) / 5000))
        #expect(!isTooMany)
      } else {
        limit.callEndedWell()
      }
    }
    // The limit's number at once, and one more.
    limit = StreamResetLimit(1000, now: start)
    let atOnce = (0..<1001).map { _ in limit.reset(now: at(0)) }
    #expect(atOnce.firstIndex(of: true) == 1000)
    // Hedging with five attempts: four of five are cancelled, at any rate.
    limit = StreamResetLimit(1000, now: start)
    for _ in 0..<10_000 {
      let isTooMany = limit.reset(4, now: start)
      #expect(!isTooMany)
      limit.callEndedWell()
    }
    limit = StreamResetLimit(1000, now: start)
    let survived = (0..<60_000).prefix { !limit.reset(now: at(Double($0) / 50_000)) }.count
    #expect((1000...1100).contains(survived), "\(survived)")
    // A tenth of the limit comes back each second.
    limit = StreamResetLimit(1000, now: start)
    let steps = [limit.reset(1000, now: at(0)), limit.reset(99, now: at(1)), limit.reset(3, now: at(1))]
    #expect(steps == [false, false, true])
  }

  @Test("a reset is excused by a deadline that has nearly passed, unless it is too short to be one") func excuses() {
    func isExcused(_ remaining: Int, of timeout: Int) -> Bool {
      StreamResetLimit.isExcused(remaining: .milliseconds(remaining), timeout: .milliseconds(timeout))
    }
    #expect(isExcused(5, of: 100) && isExcused(-5, of: 100))
    #expect(!isExcused(20, of: 100))
    #expect(!isExcused(0, of: 9))
  }
}
