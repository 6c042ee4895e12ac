import Configuration
import VoleryTypes

/// One key of a configuration, and the option that it sets.
package struct OptionKey<Options: Sendable>: Sendable {
  /// In camel case, as the option; in the environment in capitals: `maxConcurrentCalls` is `MAX_CONCURRENT_CALLS`.
  package let name: String
  fileprivate let read: @Sendable (Configuration.ConfigReader, inout Options) async throws -> Void

  /// A whole number within these bounds.
  static func count<Number: FixedWidthInteger & Sendable>(
    _ name: String, _ place: any WritableKeyPath<Options, Number> & Sendable, in bounds: ClosedRange<Int>
  ) -> OptionKey {
    OptionKey(name: name) { reader, options in
      guard let value = try await reader.number(name, in: bounds) else { return }
      options[keyPath: place] = Number(clamping: value)
    }
  }

  /// The same for an option that may be left open.
  static func count(
    optional name: String, _ place: any WritableKeyPath<Options, Int?> & Sendable, in bounds: ClosedRange<Int>
  ) -> OptionKey {
    OptionKey(name: name) { reader, options in
      if let value = try await reader.number(name, in: bounds) { options[keyPath: place] = value }
    }
  }

  /// Seconds, also parts of them; at most a year.
  static func seconds(_ name: String, _ place: any WritableKeyPath<Options, Duration> & Sendable) -> OptionKey {
    OptionKey(name: name) { reader, options in
      if let value = try await reader.seconds(name) { options[keyPath: place] = value }
    }
  }

  static func seconds(optional name: String, _ place: any WritableKeyPath<Options, Duration?> & Sendable) -> OptionKey {
    OptionKey(name: name) { reader, options in
      if let value = try await reader.seconds(name) { options[keyPath: place] = value }
    }
  }

  static func flag(_ name: String, _ place: any WritableKeyPath<Options, Bool> & Sendable) -> OptionKey {
    OptionKey(name: name) { reader, options in
      if let value = try await reader.fetchBool(forKey: ConfigKey([name])) { options[keyPath: place] = value }
    }
  }

  static func text(_ name: String, _ set: @escaping @Sendable (String, inout Options) throws -> Void) -> OptionKey {
    OptionKey(name: name) { reader, options in
      guard let text = try await reader.fetchString(forKey: ConfigKey([name])) else { return }
      do {
        try set(text, &options)
      } catch {
        throw ConfigurationError("the key \(name): \(error)")
      }
    }
  }
}

/// A value of a configuration that an option can't have: which key, and what it takes.
public struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The key, what it was given, and what it takes; no value of a secret.
  public let description: String

  init(_ description: String) { self.description = description }
}

extension Configuration.ConfigReader {
  func apply<Options>(_ keys: [OptionKey<Options>], to options: inout Options) async throws {
    for key in keys {
      do {
        try await key.read(self, &options)
      } catch let error as ConfigurationError {
        throw error
      } catch {
        throw ConfigurationError("the key \(key.name): \(error)")
      }
    }
  }

  fileprivate func number(_ name: String, in bounds: ClosedRange<Int>) async throws -> Int? {
    guard let value = try await fetchInt(forKey: ConfigKey([name])) else { return nil }
    guard bounds.contains(value) else {
      let most = bounds.upperBound == .max ? "or more" : "to \(bounds.upperBound)"
      throw ConfigurationError("the key \(name) can't be \(value): it takes \(bounds.lowerBound) \(most)")
    }
    return value
  }

  fileprivate func seconds(_ name: String) async throws -> Duration? {
    guard let value = try await fetchDouble(forKey: ConfigKey([name])) else { return nil }
    let year = 366.0 * 86400
    guard (0...year).contains(value) else {
      throw ConfigurationError("the key \(name) can't be \(value): it takes seconds, 0 to \(Int(year))")
    }
    return .seconds(value)
  }
}
