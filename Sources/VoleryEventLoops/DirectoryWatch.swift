import CLibUV

/// Tells that something in a directory has changed: a file was made, written, renamed or removed (inotify on Linux). It is
/// a hint: where the system has no more watches to give, or the directory is not there, nothing is told; look now and then
/// besides. Made and closed on any thread.
package final class DirectoryWatch: @unchecked Sendable {
  private let loop: EventLoop
  private let handle = UnsafeMutablePointer<uv_fs_event_t>.allocate(capacity: 1)
  private let changed: @Sendable () -> Void

  /// - Parameter changed: Called on the loop, often several times for one change.
  package init(_ path: String, on loop: EventLoop, changed: @escaping @Sendable () -> Void) {
    self.loop = loop
    self.changed = changed
    loop.execute { [self] in
      uv_fs_event_init(loop.uv, handle)
      handle.pointee.data = Unmanaged.passRetained(self).toOpaque()
      uv_fs_event_start(
        handle,
        { handle, _, _, _ in
          let watch = Unmanaged<DirectoryWatch>.fromOpaque(handle!.pointee.data).takeUnretainedValue()
          watch.changed()
          watch.loop.finishTurn()
        }, path, 0)
    }
  }

  /// To be called once; nothing is told after it has taken effect on the loop.
  package func close() {
    loop.execute { [self] in
      let handle = UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self)
      guard uv_is_closing(handle) == 0 else { return }
      uv_close(handle) { handle in
        let watch = Unmanaged<DirectoryWatch>.fromOpaque(handle!.pointee.data).takeRetainedValue()
        watch.handle.deallocate()
      }
    }
  }
}
