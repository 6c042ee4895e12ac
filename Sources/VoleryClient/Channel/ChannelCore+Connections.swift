import Logging
import VoleryNameResolution
import VoleryPrimitives
import VoleryTransport
import VoleryTypes

// What happens to connections: in the control plane.
extension ChannelCore {
  /// How long calls, and whoever wants to connect again, wait for the look-up that a lost connection has caused.
  static let holdLimit = Duration.seconds(1)

  /// What a subchannel waits for before it connects again.
  struct ReconnectWait {
    var pause = Duration.zero
    var resolutionLimit = Duration.zero
  }

  /// After a goodbye, while others take the calls: the time in which the resolver as a rule hears that the server is gone.
  private static let goodbyePause = Duration.milliseconds(1250)

  /// While other servers take the calls, a server's clients come back one by one; without another one the address may be
  /// gone: the name is looked up first.
  ///
  /// - Parameters:
  ///   - isLast: No subchannel is ready any more.
  ///   - isExpected: The server ends its connections so by habit, and is there for the next one.
  func reconnectWait(isLast: Bool, cause: DrainCause?, isExpected: Bool) -> ReconnectWait {
    guard !isExpected else { return ReconnectWait() }
    guard isLast else {
      let least = cause == .goodbye && resolver?.isFixed == false ? ChannelCore.goodbyePause : .zero
      return ReconnectWait(pause: least + options.reconnectSpread * clock.random())
    }
    return ReconnectWait(resolutionLimit: resolver?.answersResolveNow == true ? ChannelCore.holdLimit : .zero)
  }

  var maxConnectionsPerSubchannel: Int {
    min(max(serviceConfig.maxConnectionsPerSubchannel ?? options.maxConnectionsPerServer, 1), 10)
  }

  /// An address could not be reached: it may be gone.
  func dialFailed(_ endpoint: Endpoint, _ error: StatusError) {
    options.logger.debug(
      "no connection",
      metadata: [
        "target": "\(target)", "endpoint": "\(String(foreign: "\(endpoint)"))",
        "error": "\(String(line: error.message))",
      ])
    resolveNow(.connectFailed)
  }

  /// A connection is gone, or going: looks the name up at once. After the last one, calls that would fail wait for what
  /// comes of it.
  func connectionLost(_ endpoint: Endpoint, _ reason: String, isLast: Bool) {
    options.logger.debug(
      "connection lost",
      metadata: [
        "target": "\(target)", "endpoint": "\(String(foreign: "\(endpoint)"))", "reason": "\(String(line: reason))",
      ])
    resolveNow(.connectionLost)
    guard isLast, hold == nil, let resolver, !resolver.isFixed else { return }
    hold = loop.scheduleTimer(after: ChannelCore.holdLimit) { [weak self] in self?.endHold() }
  }

  /// While nothing can be reached and calls come, each address is tried about as often as a name is looked up, and not as
  /// seldom as its backoff comes to: whoever waits, or fails, wants to know when a server is back.
  func scheduleRedial(isNeeded: Bool) {
    guard isNeeded else {
      redialTimer.take()?.cancel()
      return
    }
    guard redialTimer == nil else { return }
    let interval = max(options.refreshInterval ?? .seconds(5), .milliseconds(200))
    // At random, so that the clients of a server that is gone do not come back in step.
    redialTimer = loop.scheduleTimer(after: interval * (0.4 + 0.1 * clock.random())) { [weak self] in
      guard let self else { return }
      redialTimer = nil
      if dataPlane.activity.takeUse() { newestPolicy.redialAll(ifStartedBefore: clock.now() - interval * 0.4) }
      scheduleRedial(isNeeded: policy.state == .transientFailure)
    }
  }

  func resolveNow(_ cause: ResolveCause = .requested) { resolver?.resolveNow(cause) }

  /// The look-up is answered, or takes too long.
  func endHold() {
    resolutionAnswered()
    guard let hold = hold.take() else { return }
    hold.cancel()
    publish()
  }
}
