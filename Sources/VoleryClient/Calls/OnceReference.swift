import Synchronization

/// A reference that is set at most once, by any thread, and read by any. Reading it costs a load: the standard library's
/// `AtomicLazyReference` is not specialised where it is used, and takes 600 instructions.
struct OnceReference<Object: AnyObject & Sendable>: ~Copyable, @unchecked Sendable {  // Isolation: handed over
  private let pointer = Atomic<UnsafeRawPointer?>(nil)

  func load() -> Object? {
    guard let pointer = pointer.load(ordering: .acquiring) else { return nil }
    return Unmanaged<Object>.fromOpaque(pointer).takeUnretainedValue()
  }

  /// - Returns: This one, or the one that was there before.
  func storeIfNil(_ object: Object) -> Object {
    let new = Unmanaged.passRetained(object)
    let (exchanged, old) = pointer.compareExchange(
      expected: nil, desired: UnsafeRawPointer(new.toOpaque()), ordering: .acquiringAndReleasing)
    guard !exchanged, let old else { return object }
    new.release()
    return Unmanaged<Object>.fromOpaque(old).takeUnretainedValue()
  }

  deinit {
    if let pointer = pointer.load(ordering: .relaxed) { Unmanaged<Object>.fromOpaque(pointer).release() }
  }
}
