import VoleryTypes

/// What a call's caller has said besides metadata and a deadline. Most callers say nothing, and most calls have none.
final class GivenOptions: Sendable {
  let options: CallOptions

  private init(_ options: CallOptions) { self.options = options }

  /// Nil: they leave everything to the channel and the service config.
  static func of(_ options: CallOptions) -> GivenOptions? {
    let saysNothing =
      options.waitForReady == nil && options.maxResponseMessageBytes == nil && options.maxRequestMessageBytes == nil
      && options.compression == nil && options.authority == nil && options.telemetryLabel == nil
      && options.credentials == nil
    return saysNothing ? nil : GivenOptions(options)
  }
}
