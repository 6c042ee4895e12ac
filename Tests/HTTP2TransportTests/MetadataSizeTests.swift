import Testing
import Volery

/// How large metadata may be, sent and received.
@Suite("Sizes of metadata", .timeLimit(.minutes(1))) struct MetadataSizeTests {
  @Test(
    "a request's metadata over the limit is RESOURCE_EXHAUSTED, wherever its content-type stands", arguments: [0, 4])
  func largeRequest(_ place: Int) async throws {
    try await ScriptedService.serve { address in
      let peer = try ScriptedPeer.client(of: address)
      var request = ScriptedPeer.request
      request.insert(("x-large", String(repeating: "a", count: 17000)), at: place == 0 ? request.count : place)
      peer.say(ScriptedFrame.largeHeaders(1, request) + [.data(1, ScriptedPeer.emptyMessage, ends: true)])
      try peer.listen("answer") { $0.hasEnded(1) }
      #expect(peer.field(":status", of: 1) == "200")
      #expect(peer.field("grpc-status", of: 1) == "8")
      #expect(peer.field("grpc-message", of: 1)?.contains("limit of 16384") == true)
    }
  }
}
