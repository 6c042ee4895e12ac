import Yams

extension SettingNode {
  /// Reads YAML 1.1 of one document; empty text is an empty section.
  ///
  /// - Parameter file: How places name it.
  package init(yaml text: String, file: String) throws(SettingFaults) {
    let start = SettingPlace(file: file, line: 1)
    do {
      guard let root = try Yams.compose(yaml: text) else {
        self.init(.section([]), at: start)
        return
      }
      var budget = SettingNode.largestTree
      self = try SettingNode.read(root, file, near: start, &budget)
    } catch let faults as SettingFaults {
      throw faults
    } catch {
      throw SettingFaults([SettingNode.fault(error, file)])
    }
  }

  /// References multiply: a file of some lines can mean millions of values.
  private static let largestTree = 100_000

  private static func read(
    _ node: Node, _ file: String, near place: SettingPlace, _ budget: inout Int
  ) throws(SettingFaults) -> SettingNode {
    let place = node.mark.map { SettingPlace(file: file, line: $0.line) } ?? place
    budget -= 1
    guard budget > 0 else { throw SettingFaults([SettingFault(place, key: nil, "there are too many values")]) }
    switch node {
    case .scalar(let scalar):
      let isEmpty = node.tag == Tag(.null)
      return SettingNode(isEmpty ? .nothing : .text(scalar.string), at: place)
    case .sequence(let sequence):
      var items: [SettingNode] = []
      for item in sequence { items.append(try read(item, file, near: place, &budget)) }
      return SettingNode(.list(items), at: place)
    case .mapping(let mapping):
      var entries: [Entry] = []
      for (key, value) in mapping {
        let place = key.mark.map { SettingPlace(file: file, line: $0.line) } ?? place
        guard case .scalar(let name) = key else {
          throw SettingFaults([SettingFault(place, key: nil, "a key has to be text")])
        }
        entries.append(
          Entry(key: name.string, place: place, value: try read(value, file, near: place, &budget)))
      }
      return SettingNode(.section(entries), at: place)
    case .alias:
      throw SettingFaults([SettingFault(place, key: nil, "this reference leads nowhere")])
    }
  }

  private static func fault(_ error: any Error, _ file: String) -> SettingFault {
    func at(_ mark: Mark, _ text: String) -> SettingFault {
      SettingFault(SettingPlace(file: file, line: mark.line), key: nil, text)
    }
    switch error {
    case YamlError.scanner(_, let problem, let mark, _), YamlError.parser(_, let problem, let mark, _),
      YamlError.composer(_, let problem, let mark, _):
      return at(mark, "not YAML: \(problem)")
    case YamlError.duplicatedKeysInMapping(let duplicates, let context):
      return SettingFault(
        SettingPlace(file: file, line: context.mark.line), key: duplicates.first, "the key is there twice")
    case YamlError.reader(let problem, _, _, _):
      return SettingFault(SettingPlace(file: file, line: 1), key: nil, "not YAML: \(problem)")
    default:
      return SettingFault(SettingPlace(file: file, line: 1), key: nil, "not YAML")
    }
  }
}
