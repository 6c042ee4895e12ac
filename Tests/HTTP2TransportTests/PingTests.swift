import TestSupport
import Testing
import Volery

@testable import VoleryHTTP2Transport

/// gRFC A8: who pings too often is cut off, who pings beside data is not.
@Suite("Pings of clients", .timeLimit(.minutes(1))) struct PingTests {
  @Test("a ping beside each burst of a large response is no offence") func response() async throws {
    try await ScriptedService.serve { address in
      let peer = try ScriptedPeer.client(of: address)
      let size = 1 << 20
      peer.say(
        .headers(1, ScriptedService.request("Large")),
        .data(1, ScriptedService.message(Array("\(size)".utf8)), ends: true))
      var pings: UInt64 = 0
      var granted = 65535
      while peer.goAway == nil, !peer.hasEnded(1) {
        try peer.listen("burst of data", orClosed: true) { $0.dataCount(of: 1) >= granted || $0.hasEnded(1) }
        pings += 1
        try peer.listenToPing(pings)
        peer.say(.windowUpdate(0, 65535), .windowUpdate(1, 65535))
        granted += 65535
      }
      #expect(peer.goAway == nil, "after \(pings) pings")
      #expect(peer.dataCount(of: 1) == size + 5)
      #expect(peer.field("grpc-status", of: 1) == "0")
      #expect(pings > 10)
    }
  }

  @Test("a ping beside each burst of a large request is no offence") func request() async throws {
    try await ScriptedService.serve { address in
      let peer = try ScriptedPeer.client(of: address)
      let message = ScriptedService.message([UInt8](repeating: 1, count: 1 << 20))
      peer.say(.headers(1, ScriptedService.request("Upload")))
      var pings: UInt64 = 0
      for start in stride(from: 0, to: message.count, by: 16384) where peer.goAway == nil {
        let end = min(start + 16384, message.count)
        pings += 1
        peer.say(.data(1, Array(message[start..<end]), ends: end == message.count), .ping(pings))
        // Keeps the request within the window of 512 KiB.
        if pings % 8 == 0 { try peer.listenToPing(1000 + pings) }
      }
      try peer.listen("answer", orClosed: true) { $0.hasEnded(1) }
      #expect(peer.goAway == nil, "after \(pings) pings")
      #expect(peer.field("grpc-status", of: 1) == "0")
    }
  }

  @Test("pings without data are cut off at the third offence", arguments: [true, false])
  func flood(_ hasCall: Bool) async throws {
    try await ScriptedService.serve { address in
      let peer = try ScriptedPeer.client(of: address)
      if hasCall {
        peer.say(.headers(1, ScriptedService.request("Hang")), .data(1, ScriptedPeer.emptyMessage, ends: true))
      }
      for number in 1...4 { try peer.listenToPing(UInt64(number)) }
      try peer.listen("end of the connection", orClosed: true) { _ in false }
      let goAway = try #require(peer.goAway)
      #expect(goAway.errorCode == 11)
      #expect(goAway.debugText == "too_many_pings")
    }
  }

  @Test("one answer does not forgive the pings that come after it") func floodAfterCall() async throws {
    try await ScriptedService.serve { address in
      let peer = try ScriptedPeer.client(of: address)
      peer.say(.headers(1, ScriptedPeer.request), .data(1, ScriptedPeer.emptyMessage, ends: true))
      try peer.listen("answer") { $0.hasEnded(1) }
      for number in 1...4 { try peer.listenToPing(UInt64(number)) }
      try peer.listen("end of the connection", orClosed: true) { _ in false }
      #expect(peer.goAway?.debugText == "too_many_pings")
    }
  }

  @Test("a client whose pings are used up may ping again after part of a message") func clientsOwn() async throws {
    let listener = try ScriptedListener()
    async let pings = blocking {
      let peer = try listener.accept()
      var pings = 0
      var resets = 0
      try peer.converse { frame in
        switch frame.kind {
        case .headers where frame.stream == 1:
          peer.say(.headers(1, [(":status", "200"), ("content-type", "application/grpc")]))
        case .ping where frame.flags == 0: pings += 1
        case .reset:
          resets += 1
          // Three calls have ended in silence, and only two of them were worth a ping. Half a message follows.
          if resets == 3 {
            #expect(pings == 2)
            peer.say(.data(1, [0, 0, 0, 0, 9, 1]))
          }
        default: break
        }
        return pings < 3
      }
      return pings
    }
    let channel = try Channel("ipv4:127.0.0.1:\(listener.port)")
    let upload = channel.clientStreaming(ScriptedService.upload)
    _ = try await upload.initialMetadata
    for _ in 0..<10 {
      let error = await #expect(throws: StatusError.self) {
        try await channel.unary(ScriptedService.hang, [], options: CallOptions(timeout: .milliseconds(100)))
      }
      // The peer goes once it has its pings.
      #expect(error?.code == .deadlineExceeded || error?.code == .unavailable, "\(String(describing: error))")
    }
    upload.cancel()
    #expect(try await pings == 3)
  }

  @Test("strikes") func strikes() {
    let start = ContinuousClock.now
    func at(_ seconds: Int) -> ContinuousClock.Instant { start.advanced(by: .seconds(seconds)) }
    var strikes = PingStrikes(interval: .seconds(300), permitsPingsWithoutCalls: false)
    func ping(_ second: Int, isForgiven: Bool = false, hasCalls: Bool = true) -> Bool {
      strikes.isTooMany(isForgiven: isForgiven, hasCalls: hasCalls, now: at(second))
    }
    #expect(!ping(0) && !ping(1) && !ping(2), "the first is free, two offences are borne")
    #expect(!ping(3, isForgiven: true), "data forgives all of them")
    #expect(!ping(4) && !ping(5) && ping(6))
    #expect(!ping(7, isForgiven: true) && !ping(400) && !ping(701), "an interval that is kept is no offence")
    #expect(!ping(1100, hasCalls: false) && !ping(1500, hasCalls: false) && ping(1900, hasCalls: false))
  }
}
