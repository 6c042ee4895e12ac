import Synchronization
import VoleryTypes

/// The server whose place in the ring is next to the call's hash; see `RingHashPolicy`.
final class RingHashPicker: Picker {
  struct Member {
    let subchannel: Subchannel
    let state: ConnectivityState
    let error: StatusError?
  }

  private let ring: HashRing
  private let members: [Member]
  /// In lower case; nil: the config selector says the hash.
  private let header: [UInt8]?
  private let random: RandomSequence
  /// A connection is on its way already, so that a call without a hash asks for no other one.
  private let isConnecting: Atomic<Bool>

  /// - Parameter ring: Of these members, and not empty.
  init(_ ring: HashRing, of members: [Member], header: String?, seed: UInt64) {
    self.ring = ring
    self.members = members
    self.header = header.map { Array($0.utf8) }
    random = RandomSequence(seed: seed)
    isConnecting = Atomic(members.contains { $0.state == .connecting })
  }

  func pick(for call: PickRequest) -> PickResult {
    if let header {
      guard let hash = hash(of: call.metadata, header) else { return pickAny() }
      return pick(hash)
    }
    guard let hash = call.hash else { return pickAny() }
    return pick(hash)
  }

  private func pick(_ hash: UInt64) -> PickResult {
    let start = ring.index(of: hash)
    let first = Int(ring.members[start])
    switch members[first].state {
    case .ready:
      let subchannel = members[first].subchannel
      return .pick(subchannel.isEjected ? standIn(for: first, from: start) : subchannel)
    // The channel connects what is picked without a connection, and the call waits for it.
    case .idle: return .pick(members[first].subchannel)
    case .connecting: return .queue
    case .transientFailure, .shutdown: break
    }
    for offset in 1..<ring.members.count {
      let member = members[Int(ring.members[(start + offset) % ring.members.count])]
      switch member.state {
      case .ready, .idle: return .pick(member.subchannel)
      case .connecting: return .queue
      case .transientFailure, .shutdown: continue
      }
    }
    return failure(of: first)
  }

  /// A ready one further on, unless as much is held against more than half of them.
  private func standIn(for first: Int, from start: Int) -> Subchannel {
    let own = members[first].subchannel
    let ready = members.filter { $0.state == .ready }
    guard ready.count(where: { $0.subchannel.isMarked }) * 2 <= ready.count else { return own }
    for offset in 1..<max(2, ring.members.count) {
      let member = members[Int(ring.members[(start + offset) % ring.members.count])]
      if member.state == .ready, !member.subchannel.isMarked { return member.subchannel }
    }
    return own
  }

  /// No hash: any server that is ready, and a connection to one that is not, but not two at a time (gRFC A76).
  private func pickAny() -> PickResult {
    let start = ring.index(of: random.next())
    var mayConnect = !isConnecting.load(ordering: .relaxed)
    for offset in 0..<ring.members.count {
      let member = members[Int(ring.members[(start + offset) % ring.members.count])]
      if member.state == .ready { return .pick(member.subchannel) }
      if member.state == .idle, mayConnect, !isConnecting.exchange(true, ordering: .relaxed) {
        member.subchannel.requestConnection()
        mayConnect = false
      }
    }
    return isConnecting.load(ordering: .relaxed) ? .queue : failure(of: Int(ring.members[start]))
  }

  private func failure(of index: Int) -> PickResult {
    let name = "\(members[index].subchannel.endpoint)"
    let text = members[index].error?.message ?? "no connection"
    return .fail(
      StatusError(
        .unavailable, "no server of the ring can be reached: \(text.hasPrefix(name) ? text : "\(name): \(text)")"))
  }

  /// Of the header's value, of several with commas between; nil where it is empty or there is none.
  private func hash(of metadata: Metadata, _ header: [UInt8]) -> UInt64? {
    guard !metadata.isEmpty else { return nil }
    var found: UInt64?
    var joined: [UInt8]?
    var count = 0
    header.withUnsafeBytes { wanted in
      metadata.forEachEntry { key, value in
        guard key.count == wanted.count, key.elementsEqual(wanted) else { return }
        count += 1
        switch count {
        case 1: found = value.isEmpty ? nil : XXHash64.hash(value)
        default: joined = (joined ?? []) + [UInt8(ascii: ",")] + value
        }
      }
    }
    guard count > 1, let joined else { return found }
    let first = metadata[String(decoding: header, as: UTF8.self)] ?? ""
    return (Array(first.utf8) + joined).withUnsafeBytes { XXHash64.hash($0) }
  }
}
