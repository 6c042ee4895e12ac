/// What there is of one kind, by its id, up to a limit; read in pages.
///
/// Ids grow, so most come last; where one is taken out, the later ones move up.
package struct EntityTable<Entity> {
  /// A part of a table, in the order of ids.
  package struct Page {
    package var entities: [Entity]
    /// There is nothing behind it now.
    package var isLast: Bool
  }

  private let limit: Int
  private var ids: [Int] = []
  private var entities: [Int: Entity] = [:]

  package init(limit: Int) { self.limit = max(limit, 0) }

  package var count: Int { ids.count }
  package var isEmpty: Bool { ids.isEmpty }

  package subscript(id: Int) -> Entity? { entities[id] }

  /// Returns whether there was room for it.
  ///
  /// - Parameter id: Of none that is in it.
  package mutating func insert(_ entity: Entity, id: Int) -> Bool {
    guard ids.count < limit else { return false }
    entities[id] = entity
    ids.insert(id, at: index(from: id))
    return true
  }

  @discardableResult package mutating func remove(_ id: Int) -> Entity? {
    guard let entity = entities.removeValue(forKey: id) else { return nil }
    ids.remove(at: index(from: id))
    return entity
  }

  /// Takes out those for which this is so, and returns them.
  package mutating func removeAll(where isGone: (Entity) -> Bool) -> [Entity] {
    ids.filter { entities[$0].map(isGone) ?? false }.compactMap { remove($0) }
  }

  /// - Parameters:
  ///   - start: The least id that is wanted.
  ///   - limit: The most that are wanted, at least 1.
  package func page(from start: Int, limit: Int) -> Page {
    let rest = ids[index(from: start)...]
    let part = rest.prefix(max(limit, 1))
    return Page(entities: part.compactMap { entities[$0] }, isLast: part.count == rest.count)
  }

  /// All of them, in the order of ids.
  package var all: [Entity] { ids.compactMap { entities[$0] } }

  /// Where the first id is that is not below this one.
  private func index(from id: Int) -> Int {
    if let last = ids.last, last < id { return ids.count }
    var (low, high) = (0, ids.count)
    while low < high {
      let middle = (low + high) / 2
      if ids[middle] < id { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

extension EntityTable: Sendable where Entity: Sendable {}
