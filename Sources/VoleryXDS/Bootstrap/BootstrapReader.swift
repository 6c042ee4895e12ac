import VoleryTypes

extension XDSBootstrap {
  private static let maxServers = 10
  private static let maxAuthorities = 100

  init(_ reader: ConfigReader) throws(ServiceConfigError) {
    let servers = try XDSServer.all(reader, "xds_servers", atMost: XDSBootstrap.maxServers)
    guard !servers.isEmpty else { throw reader.error("xds_servers", "is missing or empty") }
    self.init(servers: servers, nodeID: "")
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
    for (name, authority) in try reader.members("authorities", atMost: XDSBootstrap.maxAuthorities) {
      let member = "client_listener_resource_name_template"
      let template = try authority.optional(member, ConfigReader.string)
      guard template?.hasPrefix("xdstp://\(name)/") ?? true else {
        throw authority.error(member, "does not begin with xdstp://\(name)/ (gRFC A47)")
      }
      authorities[name] = XDSAuthority(
        servers: try XDSServer.all(authority, "xds_servers", atMost: XDSBootstrap.maxServers),
        listenerTemplate: template)
    }
    for (name, provider) in try reader.members("certificate_providers", atMost: XDSBootstrap.maxAuthorities) {
      // Others are for other clients.
      guard try provider.required("plugin_name", ConfigReader.string) == "file_watcher" else { continue }
      certificateProviders[name] = try XDSCertificateProvider(provider)
    }
  }
}

extension XDSServer {
  fileprivate static func all(
    _ reader: ConfigReader, _ member: String, atMost limit: Int
  ) throws(ServiceConfigError) -> [XDSServer] {
    let servers = try reader.array(member)
    guard servers.count <= limit else { throw reader.error(member, "has more than \(limit) servers") }
    var read: [XDSServer] = []
    for server in servers { read.append(try XDSServer(server)) }
    return read
  }

  private init(_ reader: ConfigReader) throws(ServiceConfigError) {
    let uri = try reader.required("server_uri", ConfigReader.string)
    var isSecure: Bool?
    for credentials in try reader.array("channel_creds") where isSecure == nil {
      switch try credentials.required("type", ConfigReader.string) {
      case "insecure": isSecure = false
      case "tls", "google_default": isSecure = true
      default: continue  // Others are for other clients.
      }
    }
    guard let isSecure else {
      throw reader.error("channel_creds", "has no type that is known here: insecure, tls, google_default")
    }
    var features: Set<String> = []
    for feature in try reader.array("server_features") {
      if let name = ConfigReader.string(feature.value) { features.insert(name) }
    }
    self.init(uri, isSecure: isSecure, features: features)
  }
}

extension XDSCertificateProvider {
  fileprivate init(_ reader: ConfigReader) throws(ServiceConfigError) {
    guard let config = try reader.object("config") else { throw reader.error("config", "is missing") }
    self.init(
      certificateFile: try config.optional("certificate_file", ConfigReader.string),
      privateKeyFile: try config.optional("private_key_file", ConfigReader.string),
      rootsFile: try config.optional("ca_certificate_file", ConfigReader.string))
    guard (certificateFile == nil) == (privateKeyFile == nil) else {
      throw config.error("certificate_file", "and private_key_file are there together, or not at all")
    }
    guard certificateFile != nil || rootsFile != nil else {
      throw config.error("certificate_file", "and ca_certificate_file are both missing")
    }
  }
}

extension ConfigReader {
  /// The members of an object, each an object in its turn; empty where it is missing.
  fileprivate func members(_ name: String, atMost limit: Int) throws(ServiceConfigError) -> [String: ConfigReader] {
    guard let reader = try object(name), case .object(let members) = reader.value else { return [:] }
    guard members.count <= limit else { throw error(name, "has more than \(limit) members") }
    var readers: [String: ConfigReader] = [:]
    for key in members.keys { readers[key] = try reader.object(key) }
    return readers
  }
}
