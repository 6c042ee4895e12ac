extension ServerContext {
  /// Whether the server has begun to stop: it takes no more calls, and this one has until `ServerOptions.drainLimit` (25 s)
  /// to end; then its client gets UNAVAILABLE.
  public var isServerDraining: Bool { call.dispatcher.drainSignal.hasBegun }

  /// Runs `body` until it returns, or until the server begins to stop: then its task is cancelled. For a stream without an end
  /// of its own, which would hold up the server until its drain limit:
  ///
  ///     try await context.untilServerDrains {
  ///       for await price in prices { try await responses.write(price) }
  ///     }
  ///
  /// - Returns: False where `body` was cut short by it. What `body` throws then is dropped: the handler says how the call ends,
  ///   by what it throws itself, or with OK.
  @discardableResult
  public func untilServerDrains(_ body: @escaping @Sendable () async throws -> Void) async throws -> Bool {
    let signal = call.dispatcher.drainSignal
    return try await withThrowingTaskGroup(of: Bool.self) { group in
      group.addTask {
        try await body()
        return true
      }
      group.addTask {
        await signal.wait()
        return false
      }
      let isWhole = try await group.next() ?? true
      group.cancelAll()
      // Where the waiting was cancelled, it was the call.
      guard isWhole || signal.hasBegun else { throw CancellationError() }
      return isWhole
    }
  }
}
