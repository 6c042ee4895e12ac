import CLibUV

/// Calls a function when the process gets a signal. Made and closed on any thread; the handler runs on the loop.
package final class SignalWatch: @unchecked Sendable {
  private let loop: EventLoop
  private let handle = UnsafeMutablePointer<uv_signal_t>.allocate(capacity: 1)
  private let handler: @Sendable () -> Void

  package init(_ signal: Int32, on loop: EventLoop, _ handler: @escaping @Sendable () -> Void) {
    self.loop = loop
    self.handler = handler
    loop.execute { [self] in
      uv_signal_init(loop.uv, handle)
      handle.pointee.data = Unmanaged.passRetained(self).toOpaque()
      uv_signal_start(
        handle,
        { handle, _ in
          let watch = Unmanaged<SignalWatch>.fromOpaque(handle!.pointee.data).takeUnretainedValue()
          watch.handler()
          watch.loop.finishTurn()
        }, signal)
    }
  }

  /// The signal gets its former effect back; returns when that is done. To be awaited before the process ends: libuv takes
  /// its signal machinery down in an exit handler, and a watch that is closed at that moment aborts the process.
  package func close() async {
    await withCheckedContinuation { closed in
      loop.execute { [self] in
        let handle = UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self)
        if uv_is_closing(handle) == 0 {
          uv_close(handle) { handle in
            let watch = Unmanaged<SignalWatch>.fromOpaque(handle!.pointee.data).takeRetainedValue()
            watch.handle.deallocate()
          }
        }
        closed.resume()
      }
    }
  }
}
