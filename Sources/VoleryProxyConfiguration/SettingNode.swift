/// A piece of a configuration and where it stands, whichever form it was written in.
package struct SettingNode: Sendable {
  package enum Content: Sendable {
    /// Not yet read as anything: what it has to be says the key.
    case text(String)
    case list([SettingNode])
    case section([Entry])
    /// A key without a value.
    case nothing
  }

  package struct Entry: Sendable {
    /// As it is written.
    package let key: String
    package let place: SettingPlace
    package let value: SettingNode

    package init(key: String, place: SettingPlace, value: SettingNode) {
      self.key = key
      self.place = place
      self.value = value
    }
  }

  package let content: Content
  package let place: SettingPlace

  package init(_ content: Content, at place: SettingPlace) {
    self.content = content
    self.place = place
  }
}

/// Where something was said: `proxy.yaml:12`, `--listen`, `VOLERY_PROXY_LISTEN`.
package struct SettingPlace: Hashable, Sendable, CustomStringConvertible {
  package let description: String

  package init(_ description: String) { self.description = description }
  package init(file: String, line: Int) { description = "\(file):\(line)" }
}

/// What is wrong with a configuration: where, with which key, and what would be right.
package struct SettingFault: Error, Hashable, Sendable, CustomStringConvertible {
  package let description: String

  package init(_ place: SettingPlace, key: String?, _ text: String) {
    description = "\(place): \(key.map { "\($0): " } ?? "")\(text)"
  }
}

/// All that is wrong with a configuration.
package struct SettingFaults: Error, Hashable, Sendable, CustomStringConvertible {
  package let faults: [SettingFault]

  package init(_ faults: [SettingFault]) { self.faults = faults }

  /// A line for each.
  package var description: String { faults.map(\.description).joined(separator: "\n") }
}

/// Keys are the same in `camelCase`, `snake_case` and `kebab-case`.
package enum SettingKey {
  package static func folded(_ key: String) -> String { key.lowercased().filter { $0 != "_" && $0 != "-" } }
}

extension SettingNode {
  /// This with a value at a path of keys, instead of what is there; an empty section leaves a section as it is.
  func setting(_ path: [String], to value: SettingNode) -> SettingNode {
    guard let key = path.first else {
      if case .section(let added) = value.content, added.isEmpty, case .section = content { return self }
      return value
    }
    var entries: [Entry] = if case .section(let entries) = content { entries } else { [] }
    let rest = Array(path.dropFirst())
    if let known = entries.firstIndex(where: { SettingKey.folded($0.key) == SettingKey.folded(key) }) {
      let entry = entries[known]
      entries[known] = Entry(key: key, place: value.place, value: entry.value.setting(rest, to: value))
    } else {
      let empty = SettingNode(.section([]), at: value.place)
      entries.append(Entry(key: key, place: value.place, value: empty.setting(rest, to: value)))
    }
    return SettingNode(.section(entries), at: place)
  }
}
