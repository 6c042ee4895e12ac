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
  /// Of the members: all that most picks look at.
  private let subchannels: [Subchannel]
  private let states: [ConnectivityState]
  /// In lower case; nil: the config selector says the hash.
  private let header: [UInt8]?
  private let random: RandomSequence
  /// A connection is on its way already, so that a call without a hash asks for no other one.
  private let isConnecting: Atomic<Bool>

  /// - Parameter ring: Of these members, and not empty.
  init(_ ring: HashRing, of members: [Member], header: String?, seed: UInt64) {
    self.ring = ring
    self.members = members
    subchannels = members.map(\.subchannel)
    states = members.map(\.state)
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
    if states[first] == .ready { return .pick(ready(first, at: start)) }
    return passed(first, at: start)
  }

  /// The server of a hash has no connection. Not a part of what most picks run through.
  @inline(never) private func passed(_ first: Int, at start: Int) -> PickResult {
    for offset in 0..<ring.members.count {
      let place = (start + offset) % ring.members.count
      let member = Int(ring.members[place])
      switch states[member] {
      case .ready: return .pick(ready(member, at: place))
      // The channel connects what is picked without a connection, and the call waits for it.
      case .idle: return .pick(subchannels[member])
      case .connecting: return .queue
      case .transientFailure, .shutdown: continue
      }
    }
    return failure(of: first)
  }

  /// One that is ready, or another one while it is ejected.
  ///
  /// - Parameters:
  ///   - member: Its number.
  ///   - place: Where it was found in the ring.
  private func ready(_ member: Int, at place: Int) -> Subchannel {
    let subchannel = subchannels[member]
    return subchannel.isEjected ? standIn(for: subchannel, from: place) : subchannel
  }

  /// A ready one further on, unless as much is held against more than half of them.
  @inline(never) private func standIn(for own: Subchannel, from start: Int) -> Subchannel {
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
      let place = (start + offset) % ring.members.count
      let member = Int(ring.members[place])
      if states[member] == .ready { return .pick(ready(member, at: place)) }
      if states[member] == .idle, mayConnect, !isConnecting.exchange(true, ordering: .relaxed) {
        subchannels[member].requestConnection()
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
    var found: UInt64?
    var count = 0
    header.withUnsafeBytes { header in
      metadata.forEachValue(of: header) { value in
        if count == 0, !value.isEmpty { found = XXHash64.hash(value) }
        count += 1
      }
    }
    return count > 1 ? RingHashPicker.hashOfAll(metadata.values(String(decoding: header, as: UTF8.self))) : found
  }

  @inline(never) private static func hashOfAll(_ values: [String]) -> UInt64 {
    XXHash64.hash(values.joined(separator: ","))
  }
}
