package import Configuration
import VoleryEventLoops
package import VoleryNameResolution
import VoleryPlatform

/// Where a proxy's settings come from: a file, over it the environment, over that the command line.
package struct SettingSource: Sendable {
  /// Nil: none.
  package let file: String?
  private let environment: Configuration.ConfigReader
  private let arguments: [SettingArgument]
  private let resolvers: [any ResolverFactory]

  private static let largestFile = 1 << 20

  /// - Parameter resolvers: Know targets besides those that every channel knows.
  package init(
    file: String?,
    environment: Configuration.ConfigReader = Configuration.ConfigReader(provider: EnvironmentVariablesProvider()),
    arguments: [SettingArgument] = [], resolvers: [any ResolverFactory] = []
  ) {
    self.file = file
    self.environment = environment
    self.arguments = arguments
    self.resolvers = resolvers
  }

  /// The settings as they are now.
  package func read() async throws(SettingFaults) -> ProxySettings { try await settings(of: try await content()) }

  /// The file's bytes, read on a thread that may wait for its file system; empty where there is no file.
  func content() async throws(SettingFaults) -> [UInt8] {
    guard let file else { return [] }
    let result = await BlockingPool.files.value {
      Result { () throws(SmallFile.Failure) in try SmallFile.content(of: file, limit: SettingSource.largestFile) }
    }
    switch result {
    case .success(let bytes): return bytes
    case .failure(.tooLarge): throw fault("it is larger than \(SettingSource.largestFile >> 20) MiB")
    case .failure(let failure): throw fault("it can't be read: \(failure.text)")
    case nil: throw fault("it can't be read: too many files are being read")
    }
  }

  func settings(of content: [UInt8]) async throws(SettingFaults) -> ProxySettings {
    let name = file ?? "the configuration"
    guard let text = String(validating: content, as: UTF8.self) else { throw fault("it is not UTF-8") }
    let root = try SettingNode(yaml: text, file: name)
    return try await ProxySettings(reading: root.adding(environment).adding(arguments), resolvers: resolvers)
  }

  private func fault(_ text: String) -> SettingFaults {
    SettingFaults([SettingFault(SettingPlace(file ?? "the configuration"), key: nil, text)])
  }
}
