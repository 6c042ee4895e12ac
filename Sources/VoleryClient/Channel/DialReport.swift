import VoleryTypes

/// What came of connecting to each address that has no connection now, for error messages. Written when a dial begins or
/// ends and when a connection is lost, never by calls.
struct DialReport {
  typealias Instant = ChannelClock.Instant

  private struct Entry {
    var address: SocketAddress
    /// Nil while no dial runs.
    var startedAt: Instant?
    var error: String?
    var failedAt: Instant?
  }

  /// Addresses that are remembered, the newest; of these so many are named in one text.
  private static let memory = 64
  private static let named = 8

  private var entries: [Entry] = []

  private mutating func update(_ address: SocketAddress, _ change: (inout Entry) -> Void) {
    if let index = entries.firstIndex(where: { $0.address == address }) { return change(&entries[index]) }
    var entry = Entry(address: address)
    change(&entry)
    entries.append(entry)
    if entries.count > DialReport.memory { entries.removeFirst() }
  }

  mutating func started(_ address: SocketAddress, at now: Instant) { update(address) { $0.startedAt = now } }

  /// A dial has failed, or a connection is lost.
  mutating func failed(_ address: SocketAddress, _ error: String, at now: Instant) {
    update(address) {
      $0.startedAt = nil
      $0.error = error
      $0.failedAt = now
    }
  }

  /// There is a connection, or the address is not wanted any more.
  mutating func forget(_ address: SocketAddress) { entries.removeAll { $0.address == address } }

  /// A dial was given up because another address was faster.
  mutating func gaveUp(_ address: SocketAddress) {
    guard let index = entries.firstIndex(where: { $0.address == address }) else { return }
    entries[index].startedAt = nil
    if entries[index].error == nil { entries.remove(at: index) }
  }

  /// The addresses that `message` does not name already, each with its own error; nil where there are none.
  func text(besides message: String, at now: Instant) -> String? {
    let untold = entries.filter { !message.contains($0.address.description) }
    guard !untold.isEmpty else { return nil }
    let texts = untold.suffix(DialReport.named).map { entry in
      var parts: [String] = []
      if let error = entry.error { parts.append("\(error)\(DialReport.age(entry.failedAt, now))") }
      if let startedAt = entry.startedAt {
        parts.append("connecting for \(startedAt.duration(to: now).milliseconds) ms")
      }
      return "\(entry.address): \(parts.joined(separator: ", "))"
    }
    let more = untold.count - texts.count
    return texts.joined(separator: ", ") + (more > 0 ? " and \(more) more" : "")
  }

  private static func age(_ instant: Instant?, _ now: Instant) -> String {
    instant.map { " \($0.duration(to: now).milliseconds) ms ago" } ?? ""
  }
}
