/// A map's entries by their keys, in their order: a Dictionary's own would differ from run to run. Of several entries with one
/// key there is the last.
struct MapEntries {
  struct Entry {
    let key: WireScalar
    /// The pieces of the value; none where it is the type's default.
    let values: ArraySlice<FieldRecords.Record>
  }

  private(set) var entries: [Entry] = []

  init(_ records: ArraySlice<FieldRecords.Record>, _ schema: MessageSchema, depth: Int) throws(ProtobufError) {
    guard let key = schema.field(numbered: 1), let value = schema.field(numbered: 2) else { return }
    // Entries have no extensions.
    var none = ExtensionTable(nil)
    entries.reserveCapacity(records.count)
    for record in records {
      let parts = try FieldRecords(FieldSchema.content(record.value), schema, &none, depth: depth).records
      let keys = parts.prefix { $0.field === key }
      let values = parts.dropFirst(keys.count).prefix { $0.field === value }
      entries.append(Entry(key: keys.last.map { key.scalar($0.value) } ?? key.zero, values: values))
    }
    let sorted = entries.enumerated().sorted { one, other in
      if one.element.key.isBefore(other.element.key) { return true }
      return one.offset < other.offset && !other.element.key.isBefore(one.element.key)
    }
    entries = []
    for (_, entry) in sorted {
      if let last = entries.last, !last.key.isBefore(entry.key) { entries.removeLast() }
      entries.append(entry)
    }
  }
}

extension WireScalar {
  /// The order of keys of one map.
  fileprivate func isBefore(_ other: WireScalar) -> Bool {
    switch (self, other) {
    case (.signed(let one), .signed(let two)): one < two
    case (.unsigned(let one), .unsigned(let two)): one < two
    case (.bool(let one), .bool(let two)): !one && two
    case (.string(let one), .string(let two)): one.lexicographicallyPrecedes(two)
    default: false
    }
  }
}
