import VoleryNameResolution
import VoleryPlatform
public import VoleryTypes

/// What a client has to know before it can ask a control plane (gRFC A27): where that is, and who asks.
public struct XDSBootstrap: Hashable, Sendable {
  /// The control plane, as a channel's target: `traffic-director:443`.
  public var serverURI: String
  /// The first of the server's `channel_creds` that is known: `tls` for TLS with the system's roots, `insecure` for plaintext.
  public var isSecure: Bool
  /// `server_features` of the server, such as `ignore_resource_deletion` (gRFC A53).
  public var serverFeatures: Set<String>
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
    self.serverURI = serverURI
    self.isSecure = isSecure
    self.nodeID = nodeID
    serverFeatures = []
  }
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
    let variable = variable ?? { name in getenv(name).map { String(cString: $0) } }
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

  private init(_ reader: ConfigReader) throws(ServiceConfigError) {
    guard let server = try reader.array("xds_servers").first else {
      throw reader.error("xds_servers", "is missing or empty")
    }
    let uri = try server.required("server_uri", ConfigReader.string)
    var isSecure: Bool?
    for credentials in try server.array("channel_creds") where isSecure == nil {
      switch try credentials.required("type", ConfigReader.string) {
      case "insecure": isSecure = false
      case "tls", "google_default": isSecure = true
      default: continue  // Others are for other clients.
      }
    }
    guard let isSecure else {
      throw server.error("channel_creds", "has no type that is known here: insecure, tls, google_default")
    }
    self.init(serverURI: uri, isSecure: isSecure, nodeID: "")
    for feature in try server.array("server_features") {
      if let name = ConfigReader.string(feature.value) { serverFeatures.insert(name) }
    }
    if let node = try reader.object("node") {
      nodeID = try node.optional("id", ConfigReader.string) ?? ""
      nodeCluster = try node.optional("cluster", ConfigReader.string) ?? ""
      nodeMetadata = try node.object("metadata")?.value
      if let locality = try node.object("locality") {
        region = try locality.optional("region", ConfigReader.string) ?? ""
        zone = try locality.optional("zone", ConfigReader.string) ?? ""
        subZone = try locality.optional("sub_zone", ConfigReader.string) ?? ""
      }
    }
    let template = "client_default_listener_resource_name_template"
    listenerTemplate = try reader.optional(template, ConfigReader.string) ?? "%s"
  }

  /// The name of the listener for a target.
  func listenerName(for target: Target) throws(XDSBootstrapError) -> String {
    guard target.authority.isEmpty else {
      throw XDSBootstrapError(
        description: "the target \"\(target)\" has an authority, which needs federation (gRFC A47): not supported yet")
    }
    return listenerTemplate.split(separator: "%s", omittingEmptySubsequences: false)
      .joined(separator: target.endpoint)
  }
}
