package import VoleryEventLoops
package import VoleryTransport

extension EventLoop: TransportLoop {
  package func scheduleTimer(after delay: Duration, _ work: @escaping () -> Void) -> any TransportTimer {
    schedule(after: delay, work)
  }
}

extension LoopTimer: TransportTimer {}
