import Foundation
import Synchronization

/// A server that answers as a script says, and ends its connections as proxies and broken servers do: a `ScriptedPeer` for
/// each connection, on a thread of its own.
package final class ScriptedServer: Sendable {
  /// What becomes of a call whose request is complete.
  package enum Answer: String, Sendable, CaseIterable {
    /// OK, and an empty message.
    case message
    case nothing, badGateway, reset, noTrailers, noStatus, twoMessages, emptyOK, badFlag, tooLarge, cutOff, closed
    case unknownEncoding
  }

  package struct Script: Sendable {
    package var answer = Answer.message
    /// Said instead, to a call's headers.
    package var frames: (@Sendable (_ stream: UInt32) -> [ScriptedFrame])?
    /// A connection's calls, the last of which is followed by GOAWAY, as nginx's `keepalive_requests` has it.
    package var callsPerConnection = Int.max
    /// Says GOAWAY with the last id 0 to the first call, and closes.
    package var refusesEverything = false
    /// Closes as soon as the client has spoken.
    package var closesAtOnce = false

    package init(
      answer: Answer = .message, callsPerConnection: Int = .max, refusesEverything: Bool = false,
      closesAtOnce: Bool = false
    ) {
      self.answer = answer
      self.callsPerConnection = callsPerConnection
      self.refusesEverything = refusesEverything
      self.closesAtOnce = closesAtOnce
    }

    package init(frames: @escaping @Sendable (_ stream: UInt32) -> [ScriptedFrame]) { self.frames = frames }
  }

  private struct Counts {
    var connections = 0
    var mostCalls = 0
  }

  private let listener: ScriptedListener
  private let script: Script
  private let counts = Mutex(Counts())

  package init(_ script: Script) throws {
    self.script = script
    listener = try ScriptedListener()
    Thread.detachNewThread { [self] in
      // A client may be silent for as long as a test takes.
      while let peer = try? listener.acceptSilent(limit: 60) {
        counts.withLock { $0.connections += 1 }
        Thread.detachNewThread { [self] in serve(peer) }
      }
    }
  }

  package var port: Int { listener.port }
  package var target: String { "ipv4:127.0.0.1:\(port)" }
  package var connectionCount: Int { counts.withLock { $0.connections } }
  /// Of one connection.
  package var mostCalls: Int { counts.withLock { $0.mostCalls } }

  package func stop() { listener.stop() }

  // MARK: One connection

  private func serve(_ peer: ScriptedPeer) {
    peer.readPreface()
    peer.say(.settings(), .settingsAcknowledged)
    guard !script.closesAtOnce else { return }
    var connection = Connection(script: script)
    var isClosedAtOnce = false
    do {
      try peer.converse { frame in
        switch connection.heard(frame) {
        case .say(let frames): peer.say(frames)
        case .close(let last):
          peer.say(last)
          isClosedAtOnce = true
        }
        return !isClosedAtOnce && !connection.isOver
      }
    } catch {
      // The peer is silent for too long, which ends the connection, too.
      isClosedAtOnce = true
    }
    counts.withLock { $0.mostCalls = max($0.mostCalls, connection.callCount) }
    if connection.isOver, !isClosedAtOnce { peer.finish() }
  }

  /// What a connection says to what it hears.
  private struct Connection {
    enum Reaction {
      case say([ScriptedFrame])
      /// And is gone.
      case close([ScriptedFrame])
    }

    let script: Script
    private(set) var callCount = 0
    private var running: Set<UInt32> = []

    init(script: Script) { self.script = script }

    /// All of its calls have been answered.
    var isOver: Bool { callCount == script.callsPerConnection && running.isEmpty }

    mutating func heard(_ frame: ScriptedFrame) -> Reaction {
      var said: [ScriptedFrame] = []
      if frame.kind == .headers, !running.contains(frame.stream) {
        if script.refusesEverything { return .close([.goAway()]) }
        // Beyond the last one: what came before the client had heard of it.
        guard callCount < script.callsPerConnection else { return .say([]) }
        callCount += 1
        running.insert(frame.stream)
        if callCount == script.callsPerConnection { said.append(.goAway(lastStream: frame.stream)) }
        if let frames = script.frames { said += frames(frame.stream) }
      }
      if frame.kind == .data, !frame.payload.isEmpty { said.append(.windowUpdate(0, UInt32(frame.payload.count))) }
      if frame.kind == .reset { running.remove(frame.stream) }
      if frame.endsStream, running.contains(frame.stream), script.frames == nil {
        if script.answer == .closed { return .close(said) }
        if script.answer != .nothing { running.remove(frame.stream) }
        said += script.answer.frames(frame.stream)
      }
      return .say(said)
    }
  }
}

extension ScriptedServer.Answer {
  fileprivate func frames(_ stream: UInt32) -> [ScriptedFrame] {
    var headers = [(":status", "200"), ("content-type", "application/grpc")]
    switch self {
    case .nothing, .closed: return []
    case .reset: return [.reset(stream, 2)]
    case .badGateway:
      return [.headers(stream, [(":status", "502"), ("content-type", "text/html")], ends: true)]
    case .noTrailers: return [.headers(stream, headers), .data(stream, ScriptedPeer.emptyMessage, ends: true)]
    case .unknownEncoding: headers.append(("grpc-encoding", "zstd"))
    default: break
    }
    let trailers = self == .noStatus ? ("x", "y") : ("grpc-status", "0")
    return [.headers(stream, headers), .data(stream, messages), .headers(stream, [trailers], ends: true)]
  }

  /// With their prefixes, good or bad.
  private var messages: [UInt8] {
    switch self {
    case .emptyOK: []
    case .badFlag: [7, 0, 0, 0, 0]
    case .tooLarge: [0, 255, 255, 255, 255]
    case .cutOff: [0, 0, 0, 0, 9, 1]
    case .unknownEncoding: [1, 0, 0, 0, 1, 1]
    case .twoMessages: ScriptedPeer.emptyMessage + ScriptedPeer.emptyMessage
    default: ScriptedPeer.emptyMessage
    }
  }
}
