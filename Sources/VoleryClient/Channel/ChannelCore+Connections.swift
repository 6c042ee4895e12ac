import Logging
import VoleryNameResolution
import VoleryPrimitives
import VoleryTransport
import VoleryTypes

// What happens to connections: in the control plane.
extension ChannelCore {
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
      let least = cause == .goodbye && resolver.mayChange ? ChannelCore.goodbyePause : .zero
      return ReconnectWait(pause: least + options.reconnectSpread * clock.random())
    }
    return ReconnectWait(resolutionLimit: resolver.answersResolveNow ? ChannelResolver.holdLimit : .zero)
  }

  var maxConnectionsPerSubchannel: Int {
    min(max(serviceConfig.maxConnectionsPerSubchannel ?? options.maxConnectionsPerServer, 1), 10)
  }

  /// An address could not be reached: it may be gone.
  func dialFailed(_ endpoint: Endpoint, _ error: StatusError, asksResolver: Bool) {
    options.logger.debug(
      "no connection",
      metadata: [
        "target": "\(target)", "endpoint": "\(String(foreign: "\(endpoint)"))",
        "error": "\(String(line: error.message))",
      ])
    if asksResolver { resolveNow(.connectFailed) }
  }

  /// A connection is gone, or going: looks the name up at once. After the last one, calls that would fail wait for what
  /// comes of it.
  func connectionLost(_ endpoint: Endpoint, _ reason: String, isLast: Bool, asksResolver: Bool) {
    options.logger.debug(
      "connection lost",
      metadata: [
        "target": "\(target)", "endpoint": "\(String(foreign: "\(endpoint)"))", "reason": "\(String(line: reason))",
      ])
    // Calls that would wait for the answer want one, whatever a policy thinks of it.
    if asksResolver || isLast { resolveNow(.connectionLost) }
    if isLast { resolver.beginHold(for: self) }
  }

  func resolveNow(_ cause: ResolveCause = .requested) { resolver.resolveNow(cause) }

  /// The look-up is answered, or takes too long.
  func endHold() {
    resolutionAnswered()
    if resolver.endHold() { publish() }
  }
}
