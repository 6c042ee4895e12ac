import VoleryNameResolution
import VoleryPlatform
public import VoleryTypes

/// What a client has to know before it can ask a control plane (gRFC A27): where that is, and who asks.
public struct XDSBootstrap: Hashable, Sendable {
  /// The control planes; the first that answers is asked, and the ones before it are tried on (gRFC A71). Never none.
  public var servers: [XDSServer]
  /// By their names (gRFC A47).
  public var authorities: [String: XDSAuthority] = [:]
  /// By the names that control planes use for them (gRFC A29).
  public var certificateProviders: [String: XDSCertificateProvider] = [:]
  /// The client's name for the control plane; empty where the bootstrap has none.
  public var nodeID = ""
  /// The group of clients that it belongs to.
  public var nodeCluster = ""
  /// A JSON object that the control plane may look at; nil: none.
  public var nodeMetadata: JSONValue?
  /// Where the client runs: region, zone and part of the zone, each empty where it is not said.
  public var region = ""
  /// As `region`.
  public var zone = ""
  /// As `region`.
  public var subZone = ""
  /// What a target's name becomes as a listener's; `%s` is the name (gRFC A27, A47).
  public var listenerTemplate = "%s"

  /// A bootstrap without a file.
  ///
  /// - Parameters:
  ///   - serverURI: The control plane, as a channel's target.
  ///   - isSecure: Whether it is asked over TLS.
  ///   - nodeID: The client's name for the control plane.
  public init(serverURI: String, isSecure: Bool, nodeID: String) {
    self.init(servers: [XDSServer(serverURI, isSecure: isSecure)], nodeID: nodeID)
  }

  /// The same with several control planes.
  ///
  /// - Parameters:
  ///   - servers: At least one.
  ///   - nodeID: The client's name for the control planes.
  public init(servers: [XDSServer], nodeID: String) {
    precondition(!servers.isEmpty, "a bootstrap needs a control plane")
    self.servers = servers
    self.nodeID = nodeID
  }

  /// The first control plane, as a channel's target.
  public var serverURI: String { servers[0].uri }
  /// Whether the first control plane is asked over TLS.
  public var isSecure: Bool { servers[0].isSecure }
  /// Of the first control plane.
  public var serverFeatures: Set<String> { servers[0].features }
}

/// A bootstrap that can't be used, or none at all: what is wrong, and where.
public struct XDSBootstrapError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The variable or file, the member, and what is wrong with it.
  public let description: String
}

extension XDSBootstrap {
  /// Longer files are refused.
  private static let maxBytes = 1 << 20

  /// The file that `GRPC_XDS_BOOTSTRAP` names; where that is not set, the JSON in `GRPC_XDS_BOOTSTRAP_CONFIG`.
  ///
  /// - Parameter variable: The value of a variable of the environment; nil: the process's.
  public static func fromEnvironment(
    _ variable: ((String) -> String?)? = nil
  ) throws(XDSBootstrapError) -> XDSBootstrap {
    let variable = variable ?? environmentVariable
    if let path = variable("GRPC_XDS_BOOTSTRAP"), !path.isEmpty {
      let text: String
      do { text = String(decoding: try SmallFile.content(of: path, limit: maxBytes), as: UTF8.self) } catch {
        throw XDSBootstrapError(description: "GRPC_XDS_BOOTSTRAP: \(path): \(error.text)")
      }
      return try XDSBootstrap(json: text, from: path)
    }
    guard let text = variable("GRPC_XDS_BOOTSTRAP_CONFIG"), !text.isEmpty else {
      throw XDSBootstrapError(
        description:
          "neither GRPC_XDS_BOOTSTRAP nor GRPC_XDS_BOOTSTRAP_CONFIG says where the control plane is (gRFC A27)")
    }
    return try XDSBootstrap(json: text, from: "GRPC_XDS_BOOTSTRAP_CONFIG")
  }

  /// Reads a bootstrap's JSON; members that are not known are ignored.
  ///
  /// - Parameter source: Where the text is from, for errors.
  public init(json text: String, from source: String = "the xDS bootstrap") throws(XDSBootstrapError) {
    do {
      guard text.utf8.count <= XDSBootstrap.maxBytes else { throw ServiceConfigError("\(source): over 1 MiB") }
      let value: JSONValue
      do { value = try JSONValue(parsing: text) } catch { throw ServiceConfigError("\(source): \(error)") }
      guard case .object = value else { throw ServiceConfigError("\(source): not an object") }
      self = try XDSBootstrap(ConfigReader(value, at: source))
    } catch let error as ServiceConfigError {
      throw XDSBootstrapError(description: error.description)
    } catch {
      throw XDSBootstrapError(description: "\(source): \(error)")
    }
  }

  /// The name of the listener for a target (gRFC A47).
  func listenerName(for target: Target) throws(XDSBootstrapError) -> String {
    var template = listenerTemplate
    if !target.authority.isEmpty {
      guard let authority = authorities[target.authority] else {
        throw XDSBootstrapError(
          description: "the target \"\(target)\" has an authority that the xDS bootstrap does not name (gRFC A47)")
      }
      template =
        authority.listenerTemplate ?? "xdstp://\(target.authority)/envoy.config.listener.v3.Listener/%s"
    }
    let name = template.hasPrefix("xdstp:") ? ResourceName.encoded(target.endpoint) : target.endpoint
    let listener = template.split(separator: "%s", omittingEmptySubsequences: false).joined(separator: name)
    return ResourceName.canonical(listener)
  }

  /// Who knows a resource of this name; nil: nobody, as its authority is not known.
  func servers(for name: String) -> [XDSServer]? {
    guard let authority = ResourceName.authority(of: name) else { return servers }
    guard let known = authorities[authority] else { return nil }
    return known.servers.isEmpty ? servers : known.servers
  }
}
