/// Takes a section's keys one by one, notes what is wrong with each, and in the end the keys that nobody has taken.
struct SectionReader {
  private var entries: [String: SettingNode.Entry] = [:]
  private var known: [String] = []
  let place: SettingPlace
  /// Where the section stands in the whole: `routes[2].` or nothing.
  let path: String
  private(set) var faults: [SettingFault] = []

  init(_ node: SettingNode, path: String) {
    place = node.place
    self.path = path
    switch node.content {
    case .nothing: break
    case .section(let list):
      for entry in list {
        let key = SettingKey.folded(entry.key)
        if entries[key] != nil {
          fault(entry.place, entry.key, "the key is there twice")
        }
        entries[key] = entry
      }
    case .text, .list: faults.append(SettingFault(node.place, key: whole, "this has to be a section with keys"))
    }
  }

  private var whole: String? { path.isEmpty ? nil : String(path.dropLast()) }

  mutating func fault(_ place: SettingPlace, _ key: String, _ text: String) {
    faults.append(SettingFault(place, key: path + key, text))
  }

  /// Of the section as a whole.
  mutating func fault(_ text: String) { faults.append(SettingFault(place, key: whole, text)) }

  mutating func add(_ other: [SettingFault]) { faults += other }

  /// Where a key stands that nobody has taken yet.
  func place(of key: String) -> SettingPlace? { entries[SettingKey.folded(key)]?.place }

  /// Nil: it is not there.
  mutating func node(_ key: String) -> SettingNode? {
    known.append(key)
    return entries.removeValue(forKey: SettingKey.folded(key))?.value
  }

  mutating func text(_ key: String) -> Located<String>? {
    guard let node = node(key) else { return nil }
    guard case .text(let text) = node.content, !text.isEmpty else {
      fault(node.place, key, "this takes one value")
      return nil
    }
    return Located(value: text, place: node.place)
  }

  mutating func number(_ key: String, in bounds: ClosedRange<Int>) -> Int? {
    guard let text = text(key) else { return nil }
    guard let number = Int(text.value), bounds.contains(number) else {
      fault(text.place, key, "\"\(text.value)\" is not a number from \(bounds.lowerBound) to \(bounds.upperBound)")
      return nil
    }
    return number
  }

  mutating func choice<Value: CaseIterable & RawRepresentable<String>>(_ key: String, _ type: Value.Type) -> Value? {
    guard let text = text(key) else { return nil }
    guard let value = Value(rawValue: text.value) else {
      let choices = Value.allCases.map(\.rawValue).joined(separator: ", ")
      fault(text.place, key, "\"\(text.value)\" is none of: \(choices)")
      return nil
    }
    return value
  }

  /// Seconds, or a number with a unit: `1.5`, `250ms`, `15s`, `5m`, `1h`. More than 0, at most a year.
  mutating func duration(_ key: String) -> Duration? {
    guard let text = text(key) else { return nil }
    let units: [(String, Double)] = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600)]
    let unit = units.first { text.value.hasSuffix($0.0) }
    let seconds = Double(text.value.dropLast(unit?.0.count ?? 0)).map { $0 * (unit?.1 ?? 1) }
    guard let seconds, seconds > 0, seconds <= 366 * 86400 else {
      fault(text.place, key, "\"\(text.value)\" is no time: seconds, or 250ms, 15s, 5m, 1h")
      return nil
    }
    return .seconds(seconds)
  }

  /// One or several.
  mutating func list(_ key: String) -> [SettingNode]? {
    guard let node = node(key) else { return nil }
    return if case .list(let items) = node.content { items } else { [node] }
  }

  /// The keys that are left are unknown.
  mutating func finish() -> [SettingFault] {
    for entry in entries.values.sorted(by: { $0.place.description < $1.place.description }) {
      let start = SettingKey.folded(entry.key).prefix(4)
      let near = known.filter { SettingKey.folded($0).hasPrefix(start) }.min { $0.count < $1.count }
      let advice = near.map { "; is \($0) meant?" } ?? "; known are: \(known.sorted().joined(separator: ", "))"
      fault(entry.place, entry.key, "there is no such key\(advice)")
    }
    entries = [:]
    return faults
  }
}

/// A value and where it was said.
struct Located<Value: Sendable>: Sendable {
  let value: Value
  let place: SettingPlace
}
