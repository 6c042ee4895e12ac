import VoleryPlatform
import VoleryTypes

/// A service config as TXT records have it (gRFC A2).
package enum TextConfig: Hashable, Sendable {
  case json(String)
  /// Why it can't be read; it counts as an invalid service config (gRFC A21).
  case invalid(String)
}

/// Chooses from the records: each that begins with `grpc_config=` holds a list of choices, the first that fits this client
/// counts. A value.
package struct TextConfigReader {
  private(set) package var current: TextConfig?
  private let hostName: String
  /// From 0 up to but not including 100; drawn once, so that a client stays with its choice from look-up to look-up.
  private let draw: Double

  private static let prefix = "grpc_config="

  package init() { self.init(hostName: TextConfigReader.ownHostName(), draw: .random(in: 0..<100)) }

  package init(hostName: String, draw: Double) {
    self.hostName = hostName
    self.draw = draw
  }

  private static func ownHostName() -> String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, 255) == 0 else { return "" }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// - Parameter texts: The records, each with its strings joined; nil choices where none begins with `grpc_config=`.
  package mutating func read(_ texts: [String]) {
    let configs = texts.filter { $0.hasPrefix(TextConfigReader.prefix) }
    current = nil
    for text in configs {
      do throws(ServiceConfigError) {
        guard let json = try choose(String(text.dropFirst(TextConfigReader.prefix.count))) else { continue }
        current = .json(json)
      } catch {
        current = .invalid("the TXT record's service config: \(error)")
      }
      return
    }
  }

  private func choose(_ text: String) throws(ServiceConfigError) -> String? {
    let value: JSONValue
    do { value = try JSONValue(parsing: text) } catch { throw ServiceConfigError("\(error)") }
    guard case .array(let choices) = value else { throw ServiceConfigError("not a list of choices") }
    for (index, choice) in choices.enumerated() {
      let reader = ConfigReader(choice, at: "choice \(index)")
      guard case .object = choice else { throw ServiceConfigError("choice \(index) is not an object") }
      guard try fits(reader) else { continue }
      guard let config = choice["serviceConfig"], case .object = config else {
        throw reader.error("serviceConfig", "is missing or not an object")
      }
      return config.text
    }
    return nil
  }

  private func fits(_ choice: ConfigReader) throws(ServiceConfigError) -> Bool {
    let languages = try names(choice, "clientLanguage")
    let hosts = try names(choice, "clientHostname")
    let percentage = try choice.optional("percentage", ConfigReader.count) ?? 100
    guard percentage <= 100 else { throw choice.error("percentage", "is above 100") }
    return (languages.isEmpty || languages.contains { $0.lowercased() == "swift" })
      && (hosts.isEmpty || hosts.contains(hostName)) && draw < Double(percentage)
  }

  private func names(_ choice: ConfigReader, _ name: String) throws(ServiceConfigError) -> [String] {
    var names: [String] = []
    for element in try choice.array(name) {
      guard let text = ConfigReader.string(element.value) else {
        throw choice.error(name, "holds something else than strings")
      }
      names.append(text)
    }
    return names
  }
}
