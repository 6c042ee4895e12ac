import CLibUV

/// Watches a file descriptor that somebody else owns. On its loop only.
package final class PollWatch {
  package struct Events: OptionSet, Sendable {
    package let rawValue: Int32
    package init(rawValue: Int32) { self.rawValue = rawValue }
    package static let readable = Events(rawValue: Int32(UV_READABLE.rawValue))
    package static let writable = Events(rawValue: Int32(UV_WRITABLE.rawValue))
  }

  private let loop: EventLoop
  private let handle = UnsafeMutablePointer<uv_poll_t>.allocate(capacity: 1)
  private var handler: ((Events) -> Void)?
  private var closed: (() -> Void)?
  private var isClosed = false

  package init(_ descriptor: Int32, on loop: EventLoop) throws(SocketError) {
    self.loop = loop
    let code = uv_poll_init(loop.uv, handle, descriptor)
    guard code == 0 else {
      handle.deallocate()
      throw SocketError(code: code, doing: "a socket can't be watched")
    }
    handle.pointee.data = Unmanaged.passRetained(self).toOpaque()
  }

  /// Calls `handler` as long as one of these holds (level-triggered); replaces what was watched before.
  package func start(_ events: Events, _ handler: @escaping (Events) -> Void) {
    guard !isClosed else { return }
    self.handler = handler
    uv_poll_start(handle, events.rawValue) { handle, status, events in
      let watch = Unmanaged<PollWatch>.fromOpaque(handle!.pointee.data).takeUnretainedValue()
      // An error shows when the owner reads or writes.
      watch.handler?(status < 0 ? [.readable, .writable] : Events(rawValue: events))
      watch.loop.finishTurn()
    }
  }

  package func stop() {
    guard !isClosed else { return }
    uv_poll_stop(handle)
  }

  /// Lets go of the descriptor, which may be closed or watched anew once `then` is called. May be called twice.
  package func close(_ then: @escaping () -> Void = {}) {
    guard !isClosed else { return }
    isClosed = true
    handler = nil
    closed = then
    uv_close(UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self)) { handle in
      let watch = Unmanaged<PollWatch>.fromOpaque(handle!.pointee.data).takeRetainedValue()
      watch.handle.deallocate()
      let closed = watch.closed.take()
      closed?()
      watch.loop.finishTurn()
    }
  }
}
