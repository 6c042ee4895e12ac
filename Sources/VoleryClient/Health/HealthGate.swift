package import VoleryTypes

/// What a channel asks servers of their health.
struct HealthQuestion: Hashable {
  /// Nil: the server as a whole, for advice.
  var service: String?
}

/// What a policy hears of its subchannels, given what their servers say of their health (gRFC A17). A value; it decides, the
/// policy's driver tells.
///
/// With a health service in the service config, a subchannel is connecting until the first answer and failing while the
/// server does not serve. Without one, servers that offer the health service are heard all the same, but only as advice: a
/// subchannel is ready at once, and one whose server does not want calls fails only while another one is ready. So a policy
/// of any kind, an outsider's too, sends calls elsewhere, and never to nowhere.
package struct HealthGate {
  package enum Verdict: Hashable {
    /// Not answered yet.
    case unknown
    /// Or it does not say, or can't be asked.
    case serving
    /// In words.
    case notServing(String)
  }

  package enum Mode { case off, advice, required }

  package struct Report: Equatable {
    package var id: Int
    package var state: ConnectivityState
    package var error: StatusError?
  }

  private struct Entry {
    var state = ConnectivityState.idle
    var error: StatusError?
    var verdict = Verdict.unknown
    var reported = ConnectivityState.idle
    /// Its policy wants to know.
    var isChecked = true

    var isNotServing: Bool { if case .notServing = verdict { true } else { false } }
  }

  package private(set) var mode: Mode
  private var entries: [Int: Entry] = [:]
  /// Ready, but not serving.
  private var avoided: Set<Int> = []

  package init(mode: Mode) { self.mode = mode }

  /// A new subchannel, of a policy that does not want to know: its state is its own.
  package mutating func exempt(_ id: Int) { entries[id] = Entry(isChecked: false) }

  /// A subchannel's own state has changed; what was said of its health counts for its connection only.
  package mutating func changed(_ id: Int, to state: ConnectivityState, error: StatusError?) -> [Report] {
    update(id) { entry in
      entry.state = state
      entry.error = error
      if state != .ready { entry.verdict = .unknown }
    }
  }

  package mutating func heard(_ verdict: Verdict, of id: Int) -> [Report] {
    guard let entry = entries[id], entry.state == .ready, entry.isChecked else { return [] }
    return update(id) { $0.verdict = verdict }
  }

  package mutating func removed(_ id: Int) -> [Report] {
    entries[id] = nil
    avoided.remove(id)
    return reportAvoided()
  }

  package mutating func changed(to mode: Mode) -> [Report] {
    self.mode = mode
    return entries.keys.sorted().compactMap { report($0) }
  }

  private mutating func update(_ id: Int, _ change: (inout Entry) -> Void) -> [Report] {
    var entry = entries[id] ?? Entry()
    change(&entry)
    entries[id] = entry
    if entry.state == .ready, entry.isNotServing { avoided.insert(id) } else { avoided.remove(id) }
    return [report(id)].compactMap { $0 } + reportAvoided()
  }

  /// Those that are avoided depend on whether there is another one.
  private mutating func reportAvoided() -> [Report] {
    guard mode == .advice, !avoided.isEmpty else { return [] }
    return avoided.sorted().compactMap { report($0) }
  }

  private mutating func report(_ id: Int) -> Report? {
    guard let entry = entries[id] else { return nil }
    let state = effectiveState(of: entry)
    guard state != entry.reported else { return nil }
    entries[id]?.reported = state
    if state == .transientFailure, entry.state == .ready, case .notServing(let text) = entry.verdict {
      return Report(id: id, state: state, error: StatusError(.unavailable, text))
    }
    return Report(id: id, state: state, error: entry.error)
  }

  private func effectiveState(of entry: Entry) -> ConnectivityState {
    guard entry.state == .ready, entry.isChecked else { return entry.state }
    switch (mode, entry.verdict) {
    case (.off, _), (_, .serving), (.advice, .unknown): return .ready
    case (.required, .unknown): return .connecting
    case (.required, .notServing): return .transientFailure
    case (.advice, .notServing):
      return entries.values.contains { $0.state == .ready && !$0.isNotServing } ? .transientFailure : .ready
    }
  }
}
