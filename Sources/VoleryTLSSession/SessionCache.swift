import COpenSSL
import Synchronization

/// A client's sessions that may be resumed, by the server that they are with. A ticket of TLS 1.3 is used once (RFC 8446,
/// C.4). Any thread.
final class SessionCache: Sendable {
  private struct Entry: @unchecked Sendable {  // Isolation: handed over
    let session: OpaquePointer
  }

  private struct State {
    var entries: [String: [Entry]] = [:]
  }

  private let state = Mutex(State())
  private static let maxServers = 1024
  private static let maxSessionsOfServer = 4

  /// Takes over a reference.
  func add(_ session: OpaquePointer, for server: String) {
    let entry = Entry(session: session)
    let dropped = state.withLock { state -> [Entry] in
      var dropped: [Entry] = []
      if state.entries.count >= SessionCache.maxServers, state.entries[server] == nil,
        let other = state.entries.keys.first
      {
        dropped += state.entries.removeValue(forKey: other) ?? []
      }
      state.entries[server, default: []].append(entry)
      if state.entries[server]!.count > SessionCache.maxSessionsOfServer {
        dropped.append(state.entries[server]!.removeFirst())
      }
      return dropped
    }
    for entry in dropped { SSL_SESSION_free(entry.session) }
  }

  /// The newest session with a server; the caller gets a reference.
  func take(for server: String) -> OpaquePointer? {
    state.withLock { state -> Entry? in
      guard let entry = state.entries[server]?.last else { return nil }
      if SSL_SESSION_get_protocol_version(entry.session) >= TLS1_3_VERSION {
        state.entries[server]!.removeLast()
        if state.entries[server]!.isEmpty { state.entries[server] = nil }
      } else {
        SSL_SESSION_up_ref(entry.session)
      }
      return entry
    }?.session
  }

  func removeAll() {
    let all = state.withLock { state in
      defer { state.entries = [:] }
      return state.entries.values.flatMap { $0 }
    }
    for entry in all { SSL_SESSION_free(entry.session) }
  }
}
