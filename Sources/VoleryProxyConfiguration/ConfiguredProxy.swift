package import Logging
package import VoleryEventLoops
import VoleryNameResolution
package import VoleryObservation
package import VoleryProxy
package import VoleryServer
import VoleryTypes

/// A proxy that follows its file of settings: on SIGHUP, and when the file changes. A file that is wrong leaves everything as it
/// is, and is one line of the log.
package actor ConfiguredProxy {
  package nonisolated let proxy: Proxy
  /// Where the settings want clients to connect.
  package nonisolated let listen: [ListenAddress]
  /// Where they want metrics to be told.
  package nonisolated let metrics: SocketDestination?
  private let source: SettingSource
  private var settings: ProxySettings
  private var parts: ProxyParts
  private let logger: Logger
  /// As the file was when it was last read, whether it was right or not.
  private var content: [UInt8]?

  /// A file is written in several steps, of which the first one is told already.
  private static let rest = Duration.milliseconds(30)

  /// - Parameter metricsObserver: Made where the settings want metrics, for all channels and the server.
  /// - Throws: `SettingFaults` for what the settings say wrong, `TargetError` for what can't be used.
  package init(
    _ source: SettingSource, services: [any Service], logger: Logger, metricsObserver: () -> (any Observer)? = { nil }
  ) async throws {
    content = try await source.content()
    settings = try await source.settings(of: content ?? [])
    listen = settings.listen
    metrics = settings.metrics
    parts = ProxyParts(logger: logger, observers: settings.metrics == nil ? [] : metricsObserver().map { [$0] } ?? [])
    try settings.checkCredentials(parts)
    proxy = try Proxy(routes: parts.routes(settings), services: services, options: parts.options(settings))
    self.source = source
    self.logger = logger
  }

  /// Follows the file until `body` has returned, from before it is called: SIGHUP ends nothing any more then.
  package func following<Result: Sendable>(_ body: @Sendable () async throws -> Result) async throws -> Result {
    guard let file = source.file else { return try await body() }
    let signs = SettingSigns(of: file, on: try EventLoopGroup.shared().next())
    await signs.begun()
    let task = Task { await follow(signs) }
    do {
      let result = try await body()
      await signs.close()
      await task.value
      return result
    } catch {
      await signs.close()
      throw error
    }
  }

  private func follow(_ signs: SettingSigns) async {
    await renew(signs)
    // What has changed before that.
    await read(.hint)
    for await _ in signs.waiting.news {
      guard let sign = signs.waiting.take() else { continue }
      if sign == .hint { try? await Task.sleep(for: ConfiguredProxy.rest) }
      await renew(signs)
      await read(sign)
    }
  }

  private func renew(_ signs: SettingSigns) async { _ = await BlockingPool.files.value { signs.renew() } }

  private func read(_ sign: WaitingSign.Sign) async {
    do {
      let content = try await source.content()
      guard sign == .asked || content != self.content else { return }
      self.content = content
      try update(to: try await source.settings(of: content))
      logger.info("the configuration was read anew", metadata: ["routes": "\(settings.routes.count)"])
    } catch {
      // That the file can't be read is told once as well.
      if error is SettingFaults, sign == .hint, "\(error)" == lastFault { return }
      lastFault = "\(error)"
      let text = "\(error)".split(separator: "\n").joined(separator: "; ")
      logger.error("the new configuration is not used, the old one stays", metadata: ["error": "\(text)"])
    }
  }

  private var lastFault = ""

  private func update(to settings: ProxySettings) throws {
    var parts = self.parts
    let faults = settings.startFaults(differingFrom: self.settings) + parts.credentialFaults(settings)
    guard faults.isEmpty else { throw SettingFaults(faults) }
    try proxy.update(routes: parts.routes(settings), options: parts.options(settings))
    self.parts = parts
    self.settings = settings
    lastFault = ""
  }
}
