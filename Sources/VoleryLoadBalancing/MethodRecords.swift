import Synchronization

/// What is known of one method's calls. Any thread.
final class MethodRecord: Sendable {
  /// A hash of the method's name, never 0.
  let key: Int
  /// In nanoseconds: what takes longer is late.
  let limit = Atomic<Int64>(.max)
  private let latency = Mutex(MethodLatency())

  init(key: Int) { self.key = key }

  func note(_ nanoseconds: Int64) {
    latency.withLock { latency in
      latency.record(nanoseconds: nanoseconds)
      if latency.mayHaveMoved, let known = latency.limit { limit.store(known, ordering: .relaxed) }
    }
  }
}

/// The records of the methods that a policy judges its servers by, each made with the method's first call, for good: most channels
/// call a few. Any thread, without a lock: asked for each unary call.
final class MethodRecords: Sendable {
  /// Methods that are judged; the calls of others, a channel's 65th or one that finds no place, are not.
  static let limit = 64
  /// Places in which a method may stand.
  private static let choices = 4

  private typealias Place = Atomic<UnsafeRawPointer?>
  /// Each empty, or one method's record, which it owns.
  nonisolated(unsafe) private let places = UnsafeMutablePointer<Place>.allocate(capacity: limit)  // Isolation: constant

  init() {
    for index in 0..<MethodRecords.limit { (places + index).initialize(to: Place(nil)) }
  }

  deinit {
    for index in 0..<MethodRecords.limit {
      if let record = places[index].load(ordering: .relaxed) { Unmanaged<MethodRecord>.fromOpaque(record).release() }
    }
    places.deinitialize(count: MethodRecords.limit)
    places.deallocate()
  }

  /// Nil: there is no room for it.
  ///
  /// - Parameter method: A hash of the method's name.
  subscript(method: Int) -> MethodRecord? {
    let key = method == 0 ? 1 : method
    let first = UInt(bitPattern: key)
    for offset in 0..<UInt(MethodRecords.choices) {
      let index = Int((first &+ offset) % UInt(MethodRecords.limit))
      let record = record(at: index) ?? add(MethodRecord(key: key), at: index)
      if record.key == key { return record }
    }
    return nil
  }

  private func record(at index: Int) -> MethodRecord? {
    guard let record = places[index].load(ordering: .acquiring) else { return nil }
    return Unmanaged<MethodRecord>.fromOpaque(record).takeUnretainedValue()
  }

  /// Returns whose the place is: it may be another one's by now.
  private func add(_ record: MethodRecord, at index: Int) -> MethodRecord {
    let new = Unmanaged.passRetained(record)
    let (isMine, old) = places[index].compareExchange(
      expected: nil, desired: UnsafeRawPointer(new.toOpaque()), ordering: .acquiringAndReleasing)
    guard !isMine, let old else { return record }
    new.release()
    return Unmanaged<MethodRecord>.fromOpaque(old).takeUnretainedValue()
  }

  /// How many there are.
  var count: Int { (0..<MethodRecords.limit).count { places[$0].load(ordering: .relaxed) != nil } }
}
