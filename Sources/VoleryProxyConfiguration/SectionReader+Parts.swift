import Configuration
import VoleryProxy
import VoleryTypes

/// One key of a `server` or `channel` section.
struct OptionText {
  /// As VoleryConfiguration has it.
  let name: String
  /// As it was written.
  let key: String
  let text: String
  let place: SettingPlace
}

extension SectionReader {
  enum Side { case clients, servers }

  /// `tls`: nil where it is not there.
  mutating func tls(_ key: String, towards side: Side) -> TLSSettings? {
    guard let node = node(key) else { return nil }
    var part = SectionReader(node, path: "\(path)\(key).")
    var tls = TLSSettings()
    tls.certificate = part.text("certificate")?.value
    tls.key = part.text("key")?.value
    if (tls.certificate == nil) != (tls.key == nil) { part.fault("certificate and key belong together") }
    switch side {
    case .clients:
      tls.roots = part.text("clients")?.value
      enum Demand: String, CaseIterable { case required, optional }
      tls.isOptional = part.choice("clientCertificates", Demand.self) == .optional
      if tls.certificate == nil, part.faults.isEmpty { part.fault("towards clients it takes a certificate and a key") }
    case .servers:
      tls.roots = part.text("roots")?.value
      tls.serverName = part.text("serverName")?.value
    }
    add(part.finish())
    return tls
  }

  /// `client`, `target`, or a name.
  mutating func authority(_ key: String) -> ProxyAuthority? {
    guard let text = text(key) else { return nil }
    switch text.value {
    case "client": return .client
    case "target": return .target
    default:
      guard text.value.utf8.count <= 255, text.value.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
        fault(text.place, key, "it takes client, target, or a name such as orders.example.com")
        return nil
      }
      return .name(text.value)
    }
  }

  /// A key that metadata can have.
  mutating func headerName(_ key: String) -> Located<String>? {
    guard let text = text(key) else { return nil }
    let name = text.value.lowercased()
    guard name.utf8.allSatisfy(Metadata.isKeyByte), !name.hasPrefix("grpc-"), name.utf8.count <= 255 else {
      fault(text.place, key, "\"\(text.value)\" is no key of metadata: letters, digits, \"-\", \"_\", \".\", not grpc-")
      return nil
    }
    return Located(value: name, place: text.place)
  }

  mutating func headerMatch() -> ProxyHeaderMatch? {
    let name = headerName("name")
    let exact = text("exact")?.value
    let prefix = text("prefix")?.value
    enum Flag: String, CaseIterable { case `true` }
    let present = choice("present", Flag.self)
    guard let name else {
      if faults.isEmpty { fault("there is no name") }
      return nil
    }
    switch (exact, prefix, present) {
    case (let exact?, nil, nil): return .exact(name.value, exact)
    case (nil, let prefix?, nil): return .prefix(name.value, prefix)
    case (nil, nil, .true?): return .present(name.value)
    default:
      if faults.isEmpty { fault("it takes one of: exact, prefix, \"present: true\"") }
      return nil
    }
  }

  /// The keys of a section that VoleryConfiguration reads.
  mutating func options(_ key: String, _ names: [String]) -> [OptionText] {
    guard let node = node(key) else { return [] }
    var part = SectionReader(node, path: "\(path)\(key).")
    var texts: [OptionText] = []
    for name in names {
      guard let text = part.text(name) else { continue }
      texts.append(OptionText(name: name, key: "\(key).\(name)", text: text.value, place: text.place))
    }
    add(part.finish())
    return texts
  }

  /// Options with what these say, one by one, so that a fault has its place.
  mutating func made<Options>(
    of texts: [OptionText], _ defaults: Options,
    _ configure: (inout Options, Configuration.ConfigReader) async throws -> Void
  ) async -> Options {
    var options = defaults
    for text in texts {
      let variables = [OptionName.variable(text.name): text.text]
      let provider = EnvironmentVariablesProvider(environmentVariables: variables)
      do {
        try await configure(&options, Configuration.ConfigReader(provider: provider))
      } catch {
        fault(text.place, text.key, "\(error)")
      }
    }
    return options
  }
}

/// How swift-configuration writes a key in the environment.
enum OptionName {
  static func variable(_ name: String) -> String {
    var text = ""
    var wasLower = false
    for character in name {
      if wasLower, character.isUppercase { text += "_" }
      wasLower = character.isLowercase
      text += character.uppercased()
    }
    return text
  }
}
