/// Names that are taken in one scope; gives each newcomer one of its own.
struct NameScope {
  private var taken: Set<String>

  init(_ taken: Set<String> = []) { self.taken = taken }

  /// The first of the candidates that is free; where none is, the last one with underscores until it is.
  mutating func claim(_ candidates: String..., isFree: (String) -> Bool = { _ in true }) -> String {
    func isFreeHere(_ name: String) -> Bool { !taken.contains(name) && isFree(name) }
    var own = candidates.first(where: isFreeHere) ?? candidates.last!
    while !isFreeHere(own) { own += "_" }
    taken.insert(own)
    return own
  }

  func contains(_ name: String) -> Bool { taken.contains(name) }

  func with(_ name: String) -> NameScope { NameScope(taken.union([name])) }
}
