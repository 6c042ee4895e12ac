import Logging
import VoleryNameResolution
import VoleryPlatform
import VoleryPrimitives
import VoleryTLSSession
import VoleryTypes

/// The lines that a channel logs once: what it resolved to at its start, and what the people who run it should know. At `info`
/// and above it says nothing where nothing is wrong: a program that makes calls has its terminal for itself.
struct ChannelLog {
  private let target: Target
  private let logger: Logger
  /// Whether a name may be that of a Service with a cluster IP.
  private let isInKubernetes: Bool
  private var hasStarted = false
  private var lastRefusal: String?
  private var lastFailure: String?

  /// - Parameter isInKubernetes: Every container there has this variable.
  init(target: Target, logger: Logger, isInKubernetes: Bool = environmentVariable("KUBERNETES_SERVICE_HOST") != nil) {
    self.target = target
    self.logger = logger
    self.isInKubernetes = isInKubernetes
  }

  /// The resolver could not find out; each reason is told once in a row.
  mutating func resolverFailed(_ error: StatusError, isKept: Bool) {
    guard lastFailure != error.message else { return }
    lastFailure = error.message
    logger.warning(
      isKept ? "resolving failed; the last answer holds" : "resolving failed",
      metadata: ["target": "\(target)", "error": "\(String(line: error.message))"])
  }

  /// A load balancing policy has done what can't be.
  func policyErred(_ name: String, _ text: String) {
    logger.warning(
      "a load balancing policy errs",
      metadata: ["target": "\(target)", "policy": "\(name)", "error": "\(String(line: text))"])
  }

  mutating func resolved(_ resolution: Resolution, policy: String) {
    if lastFailure.take() != nil {
      logger.info(
        "resolving works again", metadata: ["target": "\(target)", "answer": "\(String(line: "\(resolution.note)"))"])
    }
    guard !hasStarted, !resolution.endpoints.isEmpty else { return }
    hasStarted = true
    let addresses = resolution.endpoints.prefix(5).map { String(foreign: $0.description) }.joined(separator: ", ")
    logger.debug(
      "channel started",
      metadata: [
        "target": "\(target)", "resolver": "\(target.scheme)", "policy": "\(policy)",
        "endpoints": "\(resolution.endpoints.count)", "first": "\(addresses)",
      ])
    guard isNamed, resolution.endpoints.count == 1 else { return }
    logger.log(
      level: isInKubernetes ? .notice : .debug,
      "the name has one address; if this is a ClusterIP, all calls go to one pod: use a headless Service",
      metadata: ["target": "\(target)", "address": "\(addresses)"])
  }

  /// Whether the target is a DNS name, not an address.
  private var isNamed: Bool {
    guard target.scheme == "dns", let place = HostAndPort(target.endpoint, defaultPort: 443) else { return false }
    return place.host != "localhost" && !AddressLiteral.isAddress(place.host)
  }

  /// The files of the channel's credentials have changed.
  func files(_ outcome: TLSContextSource.Outcome) {
    switch outcome {
    case .unchanged: return
    case .reloaded:
      logger.info("certificates were read anew; new connections use them", metadata: ["target": "\(target)"])
    case .refused(let error):
      logger.error(
        "the changed certificates can't be used; those of before stay",
        metadata: ["target": "\(target)", "reason": "\(String(line: "\(error)"))"])
    }
  }

  /// The resolver's service config can't be used; each reason is told once in a row.
  mutating func refused(_ error: ServiceConfigError) {
    guard lastRefusal != error.description else { return }
    lastRefusal = error.description
    logger.warning(
      "the resolver's service config is refused",
      metadata: ["target": "\(target)", "error": "\(String(line: "\(error)"))"])
  }

  /// The resolver's service config can be used, or it gives none.
  mutating func accepted() {
    guard lastRefusal.take() != nil else { return }
    logger.info("the resolver's service config can be used again", metadata: ["target": "\(target)"])
  }
}
