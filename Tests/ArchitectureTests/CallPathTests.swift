import Foundation
import Testing

/// The path of a unary call in Docs/LifeOfAnRPC.md, as a check that runs: its tables are read, and the sources that they name.
@Suite("The path of a call") struct CallPathTests {
  struct Step {
    /// `C` for the client's end, `S` for the server's, `T` for what both have in common.
    let part: Character
    let number: Int
    let type: String
    let function: String
    let file: String
    /// The step that calls it, by its number; nil: somebody who is not of the path.
    let caller: String?
    /// What the caller calls it, where that is another name.
    let alias: String?

    var name: String { "\(part)\(number)" }
  }

  static let page: String = {
    let path = ImportTests.root.appendingPathComponent("Docs/LifeOfAnRPC.md")
    return (try? String(contentsOf: path, encoding: .utf8)) ?? ""
  }()

  /// The tables' rows: `| S13 | `MethodHandler.unary` | `VoleryServer/MethodHandler.swift` | S12 as `run` | ... |`.
  static let steps: [Step] = page.split(separator: "\n").compactMap { line in
    let row = /^\| ([CST])(\d+) \| `(\w+)\.(\w+)` \| `([A-Za-z0-9+\/]+\.swift)` \| ([^|]+) \|/
    guard let match = line.firstMatch(of: row), let number = Int(match.2) else { return nil }
    let caller = match.6.wholeMatch(of: /([CST]\d+)(?: as `(\w+)`)?/)
    return Step(
      part: Character(String(match.1)), number: number, type: String(match.3), function: String(match.4),
      file: String(match.5), caller: caller.map { String($0.1) }, alias: caller?.2.map(String.init))
  }

  /// All functions of the steps' types.
  static let sources: SourceFunctions = {
    let files = steps.flatMap { step in
      let folder = String(step.file[..<(step.file.lastIndex(of: "/") ?? step.file.startIndex)])
      let all = try? FileManager.default.contentsOfDirectory(
        atPath: ImportTests.root.appendingPathComponent("Sources/\(folder)").path)
      return [step.file] + (all ?? []).filter { $0.hasPrefix("\(step.type)+") }.map { "\(folder)/\($0)" }
    }
    do { return try SourceFunctions(of: files) } catch { preconditionFailure("\(error)") }
  }()

  static func steps(_ part: Character) -> [Step] { steps.filter { $0.part == part } }

  @Test("each end of it is at most 20 functions in at most 12 files", arguments: ["C", "S"] as [Character])
  func length(_ part: Character) {
    let steps = Self.steps(part)
    #expect((15...20).contains(steps.count), "the page's table has \(steps.count) rows")
    #expect(Set(steps.map(\.file)).count <= 12, "they stand in \(Set(steps.map(\.file)).count) files")
    #expect(steps.map(\.number) == Array(1...steps.count))
    #expect(Set(steps.map { "\($0.type).\($0.function)" }).count == steps.count, "one row for each function")
  }

  @Test("the page says how long it is") func count() {
    func words(_ parts: String) -> String {
      let steps = Self.steps.filter { parts.contains($0.part) }
      // The streams' common half is in both ends' tables.
      return "\(steps.count) functions in \(Set(steps.map(\.file)).count) files"
    }
    let text = Self.page.replacing("\n", with: " ")
    for (start, parts) in [("Client: ", "C"), ("Server: ", "S"), ("not the call's: ", "T"), ("passes ", "CST")] {
      let isSaid = text.contains(start + words(parts))
      #expect(isSaid, "\(start)\(words(parts))")
    }
  }

  @Test("each step is called by the one that the page names, with nobody else in between", arguments: steps.map(\.name))
  func order(_ name: String) throws {
    let step = try #require(Self.steps.first { $0.name == name })
    let own = try SourceFunctions(of: [step.file])
    #expect(!own.functions(step.function, of: step.type).isEmpty, "\(step.file) has no \(step.type).\(step.function)")
    guard let number = step.caller else { return }
    let caller = try #require(Self.steps.first { $0.name == number }, "there is no step \(number)")
    let called = step.alias ?? (step.function == "init" ? step.type : step.function)
    // A function of that name of the caller's own is not meant, unless the step's type inherits it.
    let isInherited = Self.sources.inherited[step.type]?.contains(caller.type) == true
    let isOthers = caller.type != step.type && step.function != "init"
    let isCalled = Self.sources.reach(caller.function, of: caller.type).contains {
      $0.calls(called, isOthers: isOthers) || (isInherited && $0.calls(called, isOthers: false))
    }
    #expect(
      isCalled, "\(caller.type).\(caller.function) and its own functions don't call \(step.type).\(step.function)")
  }

  @Test("a path that has become longer is found out") func detour() {
    func leads(_ function: String, of type: String, to other: String) -> Bool {
      Self.sources.reach(function, of: type).contains { $0.calls(other, isOthers: true) }
    }
    #expect(leads("start", of: "ClientCall", to: "begin"))
    // By way of an attempt, and of a worker.
    #expect(!leads("start", of: "ClientCall", to: "openStream"))
    #expect(leads("halfClosed", of: "ServerCall", to: "run"))
    #expect(!leads("halfClosed", of: "ServerCall", to: "runHandler"))
  }
}
