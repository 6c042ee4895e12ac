/// Where the Swift of each .proto of one run goes. The build plugin has this file, too: it says before the run what will be
/// written.
struct OutputNames {
  /// How a .proto's path becomes the name of a Swift file.
  enum Naming: String, CaseIterable {
    case fullPath = "FullPath"
    case pathToUnderscores = "PathToUnderscores"
    case dropPath = "DropPath"

    /// Nil for what is no value of the option; case does not matter.
    init?(option: String) {
      guard let naming = Naming.allCases.first(where: { $0.rawValue.lowercased() == option.lowercased() }) else {
        return nil
      }
      self = naming
    }
  }

  private var names: [String: String] = [:]

  /// No two names are the same, nor the same but for case, which some file systems do not tell apart: of `a/b.proto` and
  /// `a_b.proto` the first by name is `a_b.volery.swift`, the other one has a number after it that its own path alone
  /// decides.
  init(_ protos: [String], _ naming: Naming) {
    var taken: Set<String> = []
    for proto in Set(protos).sorted() {
      let stem = OutputNames.stem(of: proto, naming)
      var name = stem
      if taken.contains(name.lowercased()) { name = "\(stem)-\(OutputNames.hash(proto))" }
      while taken.contains(name.lowercased()) { name += "-" }
      taken.insert(name.lowercased())
      names[proto] = name + ".volery.swift"
    }
  }

  /// - Parameter proto: One of those that this was made with.
  subscript(proto: String) -> String { names[proto] ?? proto }

  private static func stem(of proto: String, _ naming: Naming) -> String {
    let stem = proto.hasSuffix(".proto") ? String(proto.dropLast(6)) : proto
    let parts = stem.split(separator: "/").map(String.init)
    return switch naming {
    case .fullPath: stem
    case .pathToUnderscores: parts.joined(separator: "_")
    case .dropPath: parts.last ?? stem
    }
  }

  /// FNV-1a of 32 bits, in hexadecimal: the same in every process.
  private static func hash(_ text: String) -> String {
    var hash: UInt32 = 2_166_136_261
    for byte in text.utf8 { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }
}
