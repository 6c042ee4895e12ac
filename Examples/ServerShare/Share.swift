import Synchronization
import Volery

/// Counts a channel's calls by the server that they went to.
final class Share: Observer, CallObserver {
  private let counts = Mutex<[SocketAddress: Int]>([:])

  var calls: [SocketAddress: Int] { counts.withLock { $0 } }

  func callStarted(_ call: ObservedCall) -> (any CallObserver)? { self }

  func attemptStarted(_ attempt: ObservedAttempt, metadata: inout Metadata) -> (any AttemptObserver)? {
    counts.withLock { $0[attempt.peer.address, default: 0] += 1 }
    return nil
  }
}

/// Counts a server's calls, by how they ended.
final class Served: Observer, ServerCallObserver {
  private let counts = Mutex<[StatusCode: Int]>([:])

  var calls: [StatusCode: Int] { counts.withLock { $0 } }

  func callStarted(_ call: ObservedServerCall) -> (any ServerCallObserver)? { self }

  func ended(_ end: ServerCallEnd) { counts.withLock { $0[end.code, default: 0] += 1 } }
}
