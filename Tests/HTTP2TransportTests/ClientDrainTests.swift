import TestSupport
import Testing
import VoleryEventLoops
import VoleryHTTP2Transport
import VoleryTransport
import VoleryTypes

/// What a client says that leaves a connection.
@Suite("Connections that a client leaves", .timeLimit(.minutes(1))) struct ClientDrainTests {
  /// Opens a stream and leaves, in one turn of the loop.
  private final class Leaver: ClientConnectionObserver {
    func connectionReady(_ connection: any ClientConnection) {
      let head = ClientRequestHead(
        path: "/test.Service/Call", authority: "test", timeout: nil, metadata: Metadata(), contentSubtype: nil)
      _ = connection.openStream(head, handler: Deaf())
      connection.drain()
    }
    func connectionCapacityChanged(_ connection: any ClientConnection, hasRoom: Bool) {}
    func connectionNearsEnd(_ connection: any ClientConnection, cause: NearEnd) {}
    func connectionDraining(_ connection: any ClientConnection, cause: DrainCause, reason: String) {}
    func connectionClosed(error: String?) {}
  }

  private final class Deaf: ClientStreamHandler {
    func initialMetadataReceived(_ metadata: Metadata, messageEncoding: String?) {}
    func messageReceived(_ message: [UInt8], isCompressed: Bool) {}
    func writable() {}
    func closed(_ outcome: StreamOutcome) {}
  }

  @Test("its requests go out before its GOAWAY, behind which a server without calls need read nothing")
  func order() async throws {
    let listener = try ScriptedListener()
    let leaver = Leaver()
    let dial = HTTP2Connector(group: try .shared()).connect(
      to: .tcp("127.0.0.1", listener.port), authority: "test", serverName: nil, timeout: .seconds(10), observer: leaver)
    defer { dial.cancel() }
    let kinds = try await blocking {
      let peer = try listener.accept()
      var kinds: [ScriptedFrame.Kind] = []
      try peer.converse { frame in
        kinds.append(frame.kind)
        return frame.kind != .goAway
      }
      return kinds
    }
    #expect(kinds.suffix(2) == [.headers, .goAway])
    withExtendedLifetime(leaver) {}
  }
}
