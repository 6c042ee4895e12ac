import Synchronization
import VoleryObservation
import VoleryPrimitives
import VoleryTransport
import VoleryTypes

/// How a channel comes to its end: at once, or when its calls have ended; and who waits for that. In the control plane.
struct ChannelEnding {
  fileprivate(set) var isClosed = false
  /// It takes no more calls, or nobody holds the channel any more.
  fileprivate var closesWhenQuiet = false
  /// While calls run that nobody holds a channel for any more.
  fileprivate var ownReference: ChannelCore?
  fileprivate var waiters = WaiterList()
  /// What runs longer is ended.
  fileprivate var limit: (any TransportTimer)?
  /// Those on which that would run.
  var openConnections: [ObjectIdentifier: ChannelConnection] = [:]
}

extension ChannelCore {
  static let closed = StatusError(.unavailable, "the channel is closed")

  /// Calls that begin after this are refused. From any thread: a call of whoever closes a channel does not get in before the
  /// control plane's turn.
  func refuseCalls() { dataPlane.refusesCalls.store(true, ordering: .relaxed) }

  /// Takes no more calls; those that run finish.
  func close() {
    guard !ending.isClosed else { return }
    letGo()
    ending.isClosed = true
    ending.ownReference = nil
    refuseCalls()
    ending.limit.take()?.cancel()
    publish()
    dataPlane.observe(.closed)
    ending.waiters.takeAll().resumeAll()
  }

  /// Nobody holds the channel any more: closes as soon as its calls have ended.
  func released() {
    ending.closesWhenQuiet = true
    ending.ownReference = self
    dataPlane.activity.watch()
    becameQuiet()
  }

  /// Takes no more calls, closes when those that run, and those that still wait for a connection, have ended.
  ///
  /// - Parameters:
  ///   - limit: What runs longer ends with UNAVAILABLE.
  ///   - waiter: Resumed at the end.
  func drain(limit: Duration, _ waiter: WaiterList.Waiter) {
    guard !ending.isClosed else { return waiter.resume() }
    ending.waiters.add(waiter)
    ending.closesWhenQuiet = true
    refuseCalls()
    dataPlane.activity.watch()
    if ending.limit == nil {
      ending.limit = loop.scheduleTimer(after: limit) { [weak self] in
        guard let self else { return }
        for connection in ending.openConnections.values { connection.close(reason: "the channel was closed") }
        close()
      }
    }
    becameQuiet()
  }

  func becameQuiet() {
    if ending.closesWhenQuiet, dataPlane.activity.count == 0 { close() }
  }
}
