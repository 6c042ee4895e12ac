import Logging
import Synchronization
import VoleryTypes

/// The lines of a server's life: "serving", "draining (2 calls)", "stopped". At `info` for a server that somebody runs or
/// waits for; at `debug` for one that is only started, as tests do. Each once. Any thread.
final class ServerLog: Sendable {
  private struct State {
    var addresses: [SocketAddress] = []
    var isRunning = false
    var isServing = false
  }

  private let logger: Logger
  private let state = Mutex(State())

  init(_ logger: Logger) { self.logger = logger }

  /// Somebody runs the server, or waits for its end.
  func runs() {
    state.withLock { $0.isRunning = true }
    tellServing()
  }

  func listens(_ addresses: [SocketAddress]) {
    let isServing = state.withLock { state in
      state.addresses += addresses
      return state.isServing
    }
    // One more listener of a server that runs.
    logger.log(level: isServing ? .info : .debug, isServing ? "serving" : "listening", metadata: metadata(addresses))
  }

  private func tellServing() {
    let addresses: [SocketAddress]? = state.withLock { state in
      guard !state.isServing, !state.addresses.isEmpty else { return nil }
      state.isServing = true
      return state.addresses
    }
    if let addresses { logger.info("serving", metadata: metadata(addresses)) }
  }

  private func metadata(_ addresses: [SocketAddress]) -> Logger.Metadata {
    ["addresses": "\(addresses.map(\.description).joined(separator: ", "))"]
  }

  func drains(calls count: Int) { logger.log(level: level, "draining (\(count) \(count == 1 ? "call" : "calls"))") }

  /// The drain limit has passed.
  func cutsOff(calls count: Int) {
    guard count > 0 else { return }
    logger.notice("the time to drain is over: \(count) \(count == 1 ? "call is" : "calls are") cut off")
  }

  func stopped() { logger.log(level: level, "stopped") }

  private var level: Logger.Level { state.withLock { $0.isRunning } ? .info : .debug }
}
