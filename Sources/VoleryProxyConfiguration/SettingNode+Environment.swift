package import Configuration
import VoleryClient
import VoleryConfiguration
import VoleryServer

extension SettingNode {
  /// What can be said by one value, by its path of keys.
  package static let singlePaths: [[String]] = {
    var paths: [[String]] = [
      ["listen"], ["target"], ["name"], ["maxHops"], ["loops"], ["authority"], ["accessLog"], ["identityHeader"],
      ["metrics"],
      ["refreshRate"], ["balancer"], ["idleTimeout"], ["target", "host"], ["target", "port"], ["listen", "host"],
      ["listen", "port"],
    ]
    for key in ["certificate", "key", "clients", "clientCertificates"] { paths.append(["tls", key]) }
    for key in ["roots", "certificate", "key", "serverName"] { paths.append(["targetTls", key]) }
    for key in ServerOptions.configurationKeys { paths.append(["server", key.name]) }
    for key in ChannelOptions.configurationKeys { paths.append(["channel", key.name]) }
    return paths
  }()

  /// This with what the environment says over it: `VOLERY_PROXY_LISTEN`, `VOLERY_PROXY_TARGET_HOST`,
  /// `VOLERY_PROXY_SERVER_MAX_CONCURRENT_CALLS`.
  ///
  /// - Parameter reader: Of the environment's variables.
  package func adding(_ reader: Configuration.ConfigReader) -> SettingNode {
    let own = reader.scoped(to: "volery.proxy")
    var node = self
    for path in SettingNode.singlePaths {
      guard let text = own.string(forKey: ConfigKey(path)), !text.isEmpty else { continue }
      let variable = (["VOLERY_PROXY"] + path.map(OptionName.variable)).joined(separator: "_")
      node = node.setting(path, to: SettingNode(.text(text), at: SettingPlace(variable)))
    }
    return node
  }

  /// This with what a program's arguments say over it.
  package func adding(_ arguments: [SettingArgument]) -> SettingNode {
    arguments.reduce(self) { node, argument in
      let place = SettingPlace(argument.option)
      let content: Content =
        switch argument.values {
        case .one(let text): .text(text)
        case .several(let texts): .list(texts.map { SettingNode(.text($0), at: place) })
        case .section: .section([])
        }
      return node.setting(argument.path, to: SettingNode(content, at: place))
    }
  }
}

/// What an option of the command line says.
package struct SettingArgument: Sendable {
  package enum Values: Sendable {
    case one(String)
    case several([String])
    /// It is there, without a value.
    case section
  }

  /// As it is written, `--listen`.
  let option: String
  let path: [String]
  let values: Values

  package init(_ option: String, _ path: String..., values: Values) {
    self.option = option
    self.path = path
    self.values = values
  }
}
