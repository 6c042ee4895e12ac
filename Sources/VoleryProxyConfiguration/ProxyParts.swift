package import Logging
import VoleryClient
import VoleryEventLoops
import VoleryHTTP2Transport
import VoleryNameResolution
package import VoleryObservation
package import VoleryProxy
import VoleryServer
import VoleryTLSSession
import VoleryTypes

/// Makes of settings what a `Proxy` takes. Targets that have been there before stay the same objects, so that their connections
/// stay.
package struct ProxyParts {
  private var targets: [TargetSettings: ProxyTarget] = [:]
  private let logger: Logger
  private let observers: [any Observer]

  /// - Parameters:
  ///   - logger: For the access log.
  ///   - observers: Of all channels and of the server.
  package init(logger: Logger, observers: [any Observer] = []) {
    self.logger = logger
    self.observers = observers
  }

  /// Targets that these settings don't have are forgotten.
  package mutating func routes(_ settings: ProxySettings) -> [ProxyRoute] {
    var targets: [TargetSettings: ProxyTarget] = [:]
    var byName: [String: ProxyTarget] = [:]
    for (name, settings) in settings.targets {
      let target = targets[settings] ?? self.targets[settings] ?? makeTarget(settings)
      targets[settings] = target
      byName[name] = target
    }
    self.targets = targets
    return settings.routes.map { route(of: $0, settings, byName) }
  }

  private func route(
    of settings: RouteSettings, _ whole: ProxySettings, _ byName: [String: ProxyTarget]
  ) -> ProxyRoute {
    let destinations = settings.destinations.compactMap { destination in
      byName[destination.target].map { ProxyDestination($0, weight: destination.weight) }
    }
    var route = ProxyRoute(to: destinations)
    route.service = settings.service
    route.pathPrefix = settings.pathPrefix
    route.headers = settings.headers
    route.authority = settings.authority ?? whole.authority
    route.maxTimeout = settings.maxTimeout
    return route
  }

  private func makeTarget(_ settings: TargetSettings) -> ProxyTarget {
    var options = settings.channel
    options.observers += observers
    return ProxyTarget(settings.target, credentials: ChannelCredentials(settings.tls), options: options)
  }

  package func options(_ settings: ProxySettings) -> ProxyOptions {
    var options = ProxyOptions()
    options.server = settings.server
    options.server.observers += observers
    options.serverCredentials = ServerCredentials(settings.serverTLS)
    options.eventLoops = settings.loops
    if let name = settings.name { options.name = name }
    if let maxHops = settings.maxHops { options.maxHops = maxHops }
    options.identityHeader = settings.identityHeader
    switch settings.accessLog {
    case .none: break
    case .compact: options.accessLog = .compact(logger)
    case .full: options.accessLog = .full(logger)
    }
    return options
  }
}

extension ProxySettings {
  /// Makes what only a start would find wrong: channels, and what the files of certificates hold. Nothing is connected to.
  ///
  /// - Throws: `SettingFaults` for certificates, all of them; `TargetError`, what the first channel says.
  package func checkParts() throws {
    var parts = ProxyParts(logger: Logger(label: "volery.proxy"))
    try checkCredentials(parts)
    _ = try Proxy(routes: parts.routes(self), options: parts.options(self))
  }

  /// The files of certificates and keys, those towards clients and those towards servers.
  func checkCredentials(_ parts: borrowing ProxyParts) throws(SettingFaults) {
    let own = places["tls"].flatMap { ServerCredentials(serverTLS).configuration?.fault(at: $0, key: "tls") }
    let faults = (own.map { [$0] } ?? []) + parts.credentialFaults(self)
    guard faults.isEmpty else { throw SettingFaults(faults) }
  }
}

extension ProxyParts {
  /// What is wrong with the files of certificates and keys towards servers, of targets that have not been there before.
  func credentialFaults(_ settings: ProxySettings) -> [SettingFault] {
    var faults: [SettingFault] = []
    for (_, target) in settings.targets.sorted(by: { $0.key < $1.key }) where targets[target] == nil {
      guard let said = target.placeOfTLS, let configuration = ChannelCredentials(target.tls).configuration,
        let fault = configuration.fault(at: said.place, key: said.value), !faults.contains(fault)
      else { continue }
      faults.append(fault)
    }
    return faults
  }
}

extension TLSConfiguration {
  /// Reads its files; nil: nothing is wrong with them.
  fileprivate func fault(at place: SettingPlace, key: String) -> SettingFault? {
    do throws(TLSError) { _ = try TLSContextSource(self) } catch { return SettingFault(place, key: key, "\(error)") }
    return nil
  }
}

extension ChannelCredentials {
  fileprivate init(_ tls: TLSSettings?) {
    guard let tls else {
      self = .plaintext
      return
    }
    var identity: TLSKeyPair?
    if let certificate = tls.certificate, let key = tls.key {
      identity = TLSKeyPair(certificate: .file(certificate), key: .file(key))
    }
    self = .tls(
      roots: tls.roots.map { .file($0) } ?? .system, identity: identity, serverName: tls.serverName)
  }
}

extension ServerCredentials {
  fileprivate init(_ tls: TLSSettings?) {
    guard let tls, let certificate = tls.certificate, let key = tls.key else {
      self = .plaintext
      return
    }
    let clients = tls.roots.map { roots -> ClientCertificates in
      tls.isOptional ? .optional(.file(roots)) : .required(.file(roots))
    }
    self = .tls(certificate: .file(certificate), key: .file(key), clients: clients ?? .notAsked)
  }
}
