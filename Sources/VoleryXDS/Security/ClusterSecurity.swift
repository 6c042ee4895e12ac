import VoleryClient
import VoleryProtobuf
import VoleryTLSSession
package import VoleryTypes
import VoleryWellKnownTypes

/// How the connections to a cluster are protected (gRFC A29): whom to trust, who to say that one is, and by which names servers
/// are known.
package struct ClusterSecurity: Equatable, Sendable {
  package let roots: XDSCertificateProvider?
  package let identity: XDSCertificateProvider?
  /// One of them has to fit one of the names in the server's certificate; none: any name will do.
  package let names: [TextMatch]

  private static let maxNames = 1000

  /// Nil: the cluster says nothing of it.
  init?(_ wire: WireTransportSocket?, _ context: ReadContext) throws(XDSResourceError) {
    guard let wire else { return nil }
    let place = "transport_socket"
    guard case .typedConfig(let config)? = wire.configType else {
      throw XDSResourceError("\(place).typed_config", "missing")
    }
    self = try XDSResourceError.within(place) {
      guard let tls = try config.unpack(WireUpstreamTlsContext.self) else {
        throw XDSResourceError("typed_config", "\(XDSResourceError.quote(config.typeURL)) is not known")
      }
      guard let common = tls.commonTlsContext else { throw XDSResourceError("common_tls_context", "missing") }
      return try ClusterSecurity(common, context)
    }
  }

  private init(_ wire: WireCommonTlsContext, _ context: ReadContext) throws(XDSResourceError) {
    let identityName =
      wire.tlsCertificateProviderInstance?.instanceName ?? wire.tlsCertificateCertificateProviderInstance?.instanceName
    var provider: String?
    let validation: WireCertificateValidationContext?
    switch wire.validationContextType {
    case .validationContext(let own)?: validation = own
    case .combinedValidationContext(let combined)?:
      validation = combined.defaultValidationContext
      provider = combined.validationContextCertificateProviderInstance?.instanceName
    case nil: validation = nil
    }
    provider = validation?.caCertificateProviderInstance?.instanceName ?? provider
    if let provider {
      let known = try context.provider(provider, "validation_context.ca_certificate_provider_instance")
      guard known.rootsFile != nil else {
        throw XDSResourceError(
          "validation_context.ca_certificate_provider_instance", "\(XDSResourceError.quote(provider)) has no roots")
      }
      roots = known
    } else if validation?.systemRootCerts != nil {
      roots = nil
    } else {
      throw XDSResourceError("validation_context", "names neither a provider of roots nor system_root_certs")
    }
    if let identityName {
      let known = try context.provider(identityName, "tls_certificate_provider_instance")
      guard known.certificateFile != nil else {
        throw XDSResourceError(
          "tls_certificate_provider_instance", "\(XDSResourceError.quote(identityName)) has no certificate")
      }
      identity = known
    } else {
      identity = nil
    }
    guard let validation else {
      names = []
      return
    }
    // What is not done must not be passed over: the control plane would take it for done.
    guard validation.verifyCertificateSpki.isEmpty, validation.verifyCertificateHash.isEmpty,
      validation.requireSignedCertificateTimestamp?.value != true
    else {
      throw XDSResourceError(
        "validation_context",
        "verify_certificate_spki, verify_certificate_hash and require_signed_certificate_timestamp are not supported")
    }
    guard validation.matchSubjectAltNames.count <= ClusterSecurity.maxNames else {
      throw XDSResourceError("validation_context.match_subject_alt_names", "over \(ClusterSecurity.maxNames)")
    }
    var names: [TextMatch] = []
    for (index, match) in validation.matchSubjectAltNames.enumerated() {
      names.append(
        try XDSResourceError.within("validation_context.match_subject_alt_names[\(index)]") { try TextMatch(match) })
    }
    self.names = names
  }

  /// The files are read when a connection is made, and watched from then on.
  var credentials: ChannelCredentials {
    let pair = identity.flatMap { provider in
      provider.certificateFile.flatMap { certificate in
        provider.privateKeyFile.map { TLSKeyPair(certificate: .file(certificate), key: .file($0)) }
      }
    }
    return .tls(
      roots: roots?.rootsFile.map { TLSRoots.file($0) } ?? .system, identity: pair, verification: .anyName,
      accept: { [names] peer in
        guard names.isEmpty || names.contains(where: { $0.fits(peer) }) else {
          throw StatusError(.unavailable, "none of the server's names is one that the control plane wants")
        }
      })
  }
}

extension TextMatch {
  /// Whether it fits one of the certificate's alternative names; a name of a host may be one with a wildcard (gRFC A29).
  package func fits(_ peer: PeerIdentity) -> Bool {
    if (peer.uris + peer.emailAddresses + peer.ipAddresses).contains(where: fits) { return true }
    return peer.dnsNames.contains { name in
      if fits(name) { return true }
      guard let exact else { return false }
      let (wanted, name) = (exact.lowercased(), name.lowercased())
      guard name.hasPrefix("*.") else { return name == wanted }
      // The wildcard stands for one label.
      guard let dot = wanted.firstIndex(of: "."), dot != wanted.startIndex else { return false }
      return wanted[dot...] == name.dropFirst(1)
    }
  }
}

/// What is known to whoever reads resources.
package struct ReadContext: Sendable {
  package var certificateProviders: [String: XDSCertificateProvider]

  package init(certificateProviders: [String: XDSCertificateProvider] = [:]) {
    self.certificateProviders = certificateProviders
  }

  fileprivate func provider(_ name: String, _ field: String) throws(XDSResourceError) -> XDSCertificateProvider {
    guard let provider = certificateProviders[name] else {
      throw XDSResourceError(field, "the bootstrap has no certificate provider \(XDSResourceError.quote(name))")
    }
    return provider
  }
}
