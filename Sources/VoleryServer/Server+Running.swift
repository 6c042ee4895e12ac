import VoleryEventLoops
public import VoleryTypes

extension Server {
  /// Listens and serves until the server is stopped; returns after its calls have ended, at the latest after
  /// `ServerOptions.drainLimit`.
  ///
  /// In a ServiceGroup of swift-service-lifecycle use `service` of VoleryServiceLifecycle instead: only that hears when it
  /// is the server's turn to stop (Docs/Stopping.md).
  ///
  /// - Parameter whenListening: Called once with the addresses that it really listens on, in the order given: the place to say
  ///   them, as a signal that comes from here on, or has come since `run` began, drains the server. Nothing by default.
  /// - Throws: `StatusError` UNAVAILABLE when an address can't be listened on, naming it, or the process has not enough
  ///   descriptors left; FAILED_PRECONDITION when certificates or keys can't be used, naming them.
  public func run(
    listeningOn addresses: ListenAddress..., credentials: ServerCredentials? = nil,
    whenListening: ([SocketAddress]) -> Void = { _ in }
  ) async throws(StatusError) {
    try await run(listeningOn: addresses, credentials: credentials, whenListening: whenListening)
  }

  /// The same for a list.
  public func run(
    listeningOn addresses: [ListenAddress], credentials: ServerCredentials? = nil,
    whenListening: ([SocketAddress]) -> Void = { _ in }
  ) async throws(StatusError) {
    try await run(listeningOn: addresses, credentials: credentials, whenListening: whenListening) {}
  }

  /// - Parameter rest: What there is to do when the server has stopped. Signals end nothing before that.
  package func run(
    listeningOn addresses: [ListenAddress], credentials: ServerCredentials? = nil,
    whenListening: ([SocketAddress]) -> Void, _ rest: () async -> Void
  ) async throws(StatusError) {
    let signals = await stopSignals()
    do throws(StatusError) {
      whenListening(try start(listeningOn: addresses, credentials: credentials))
    } catch {
      await signals?.close()
      throw error
    }
    await waitAndDrain()
    await rest()
    await signals?.close()
  }

  /// Waits, after `start`, until the server is stopped by a signal, by cancelling the waiting task, or by `drain` or
  /// `shutDown`; then lets the running calls end, as `run` does.
  ///
  /// Signals that come before it waits do what they do without the server: a program that says where it listens, and may be
  /// ended from then on, uses `run` and its `whenListening`.
  public func waitUntilStopped() async { await waitUntilStopped {} }

  /// - Parameter rest: As `run` has it.
  package func waitUntilStopped(_ rest: () async -> Void) async {
    let signals = await stopSignals()
    await waitAndDrain()
    await rest()
    await signals?.close()
  }

  /// Those that stop the server from now on; nil: none, for somebody else has that.
  private func stopSignals() async -> StopSignals? {
    guard options.handlesSignals else { return nil }
    let signals = StopSignals(on: try? eventLoops().next()) { [weak self] in self?.stopRunning() }
    await signals.begin()
    return signals
  }

  /// Until it is stopped, by whatever but a signal.
  package func waitAndDrain() async {
    log.runs()
    await withTaskCancellationHandler {
      await waitForStop()
    } onCancel: {
      stopRunning()
    }
    await drain(limit: options.drainLimit)
  }
}
