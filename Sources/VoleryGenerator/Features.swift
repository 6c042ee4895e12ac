/// What editions make adjustable (descriptor.proto, FeatureSet), resolved. A feature that Swift code can't follow is an
/// error that names it.
struct Features: Equatable {
  enum Presence: Int {
    case explicit = 1
    case implicit, legacyRequired
  }

  /// Whether a singular scalar says if it is set, and whether it has to be.
  var presence: Presence
  var isEnumClosed: Bool
  var isPacked: Bool
  var isDelimited = false

  init(syntax: FileDescriptor.Syntax) {
    presence = syntax == .proto3 ? .implicit : .explicit
    isEnumClosed = syntax == .proto2
    isPacked = syntax != .proto2
  }

  /// - Parameter place: What has the features, for the message of an error.
  func applying(_ node: Node?, _ place: @autoclosure () -> String) throws -> Features {
    guard let node else { return self }
    var features = self
    if let value = node.int(1) {
      guard let presence = Presence(rawValue: value) else { throw unknown("field_presence", value, place()) }
      features.presence = presence
    }
    features.isEnumClosed = try choice(node.int(2), "enum_type", no: 1, yes: 2, place()) ?? isEnumClosed
    features.isPacked = try choice(node.int(3), "repeated_field_encoding", no: 2, yes: 1, place()) ?? isPacked
    // utf8_validation: a Swift String is UTF-8, so that NONE (3) can't mean less than VERIFY (2).
    _ = try choice(node.int(4), "utf8_validation", no: 3, yes: 2, place())
    features.isDelimited = try choice(node.int(5), "message_encoding", no: 1, yes: 2, place()) ?? isDelimited
    // json_format: ALLOW (1) and LEGACY_BEST_EFFORT (2) make the same code.
    _ = try choice(node.int(6), "json_format", no: 2, yes: 1, place())
    // From 1000 on they are of other languages; between are those of editions that are not known here.
    if let later = node.numbers.first(where: { $0 > 6 && $0 < 1000 && !Features.isOfSource($0) }) {
      throw PluginError("\(place()): features.number \(later) is not supported")
    }
    return features
  }

  /// enforce_naming_style and default_symbol_visibility (edition 2024) are rules for the source, which the compiler has checked.
  static func isOfSource(_ number: Int) -> Bool { number == 7 || number == 8 }

  private func choice(_ value: Int?, _ feature: String, no: Int, yes: Int, _ place: String) throws -> Bool? {
    guard let value else { return nil }
    guard value == no || value == yes else { throw unknown(feature, value, place) }
    return value == yes
  }

  private func unknown(_ feature: String, _ value: Int, _ place: String) -> PluginError {
    PluginError("\(place): features.\(feature) = \(value) is not supported")
  }
}
