import Foundation
import NastyMessages
import Testing
import VoleryProtobuf
import VoleryTypes

/// That NastyMessages compiles is most of the test: see odd.proto and the folder paths there.
@Suite("Names that meet in Swift", .timeLimit(.minutes(2))) struct NameTests {
  @Test("messages, fields and oneofs of which nothing is left have names") func underscores() throws {
    var message = Underscore_p()
    message.oneof = .underscore_p(2)
    message.underscore = .underscore(Underscore_p.Underscore_p_(underscore: Underscore_p.Underscore_p(underscore: 1)))
    #expect(try Underscore_p(decoding: message.encoded()) == message)
    #expect(Underscore_p.messageName == "volery.tests.odd._")
    #expect(Underscore_p_.messageName == "volery.tests.odd.__")
    #expect(Underscore.messageName == "volery.tests.odd.Underscore")
  }

  @Test("methods and services that meet are told apart, and keep their own paths") func methods() {
    #expect(Odd_pMethods.getIt.descriptor.path == "/volery.tests.odd.Odd/GetIt")
    #expect(Odd_pMethods.getIt_p.descriptor.path == "/volery.tests.odd.Odd/getIt")
  }

  @Test("files whose paths differ only in slashes and underscores have tables of their own") func tables() {
    #expect(
      [Path_aSbSc.fileTable, Path_aSbUc.fileTable, Path_aUbSc.fileTable, Path_aUbUc.fileTable].map(\.fileName)
        == ["a/b/c.proto", "a/b_c.proto", "a_b/c.proto", "a_b_c.proto"])
  }

  @Test("a service that is called one has no doubled word, unless another has that name") func doubledWord() throws {
    func protocols(_ services: String...) throws -> [String] {
      let body = "message M {} " + services.map { "service \($0) { rpc C(M) returns (M); }" }.joined(separator: " ")
      let run = try ProtocRun(["a.proto": Self.proto("a", body)])
      let text = try #require(run.files["a.volery.swift"], "\(run.error)")
      return text.matches(of: /protocol (\w+):/).map { String($0.output.1) }
    }
    #expect(try protocols("OrdersService") == ["OrdersService"])
    #expect(try protocols("Orders", "OrdersService") == ["OrdersService", "OrdersServiceService"])
    #expect(try protocols("Service") == ["ServiceService"])
  }

  @Test("enums have raw values as Swift's do") func rawValues() {
    func number<Value: RawRepresentable>(_ value: Value) -> Int32? where Value.RawValue == Int32 {
      Value(rawValue: value.rawValue).map(\.rawValue)
    }
    #expect(number(Type_p.typeP) == -1)
    #expect(number(Level.unrecognized(9)) == 9)
  }

  static func proto(_ package: String, _ body: String) -> String {
    "syntax = \"proto3\";\npackage \(package);\n\(body)\n"
  }

  @Test("each file's Swift has a name of its own, the same in every run", arguments: ["PathToUnderscores", "DropPath"])
  func fileNames(_ naming: String) throws {
    let paths = ["a/b/c.proto", "a/b_c.proto", "a_b/c.proto", "a_b_c.proto", "A_b_c.proto"]
    let protos = Dictionary(
      uniqueKeysWithValues: paths.enumerated().map { ($1, Self.proto("p\($0)", "message M\($0) {}")) })
    let run = try ProtocRun(protos, "FileNaming=\(naming)")
    #expect(Set(run.files.keys.map { $0.lowercased() }).count == 5, "\(run.error)")
    for (name, text) in run.files { #expect(text.contains("_table_"), "\(name)") }
    #expect(try ProtocRun(protos, "FileNaming=\(naming)", wanted: paths.reversed()).files == run.files)
  }

  @Test(
    "two files that have a name in common are refused with both, and the option that helps",
    arguments: [
      ("message Order {}", "message Order {}", "message a.Order", "message b.Order", "Order"),
      ("enum Order { X = 0; }", "message Order {}", "enum a.Order", "message b.Order", "Order"),
      (
        "message M {} service S { rpc C(M) returns (M); }", "message SClient {}", "service a.S", "message b.SClient",
        "SClient"
      ),
      (
        "message M {} service S { rpc C(M) returns (M); }", "message N {} service S { rpc C(N) returns (N); }",
        "service a.S", "service b.S", "SService"
      ),
    ])
  func refused(_ one: String, _ other: String, _ first: String, _ second: String, _ name: String) throws {
    let protos = ["one.proto": Self.proto("a", one), "two.proto": Self.proto("b", other)]
    let run = try ProtocRun(protos)
    #expect(run.files.isEmpty)
    #expect(
      run.error.contains("the \(first) (one.proto) and the \(second) (two.proto) would both be \(name) in Swift"),
      "\(run.error)")
    #expect(run.error.contains("Prefix=package"))
    #expect(try ProtocRun(protos, "Prefix=package").files.count == 2)
    #expect(try ProtocRun(protos, wanted: ["one.proto"]).files.count == 1)
  }

  @Test("what is used of files that are generated elsewhere has to differ as well, unless modules tell it apart")
  func modules() throws {
    let protos = [
      "one.proto": Self.proto("a", "message Order {}"), "two.proto": Self.proto("b", "message Order {}"),
      "user.proto": Self.proto(
        "c", "import \"one.proto\";\nimport \"two.proto\";\nmessage User { a.Order one = 1; b.Order two = 2; }"),
    ]
    let run = try ProtocRun(protos, wanted: ["user.proto"])
    #expect(run.error.contains("would both be Order in Swift"), "\(run.error)")
    let mapped = try ProtocRun(protos, "ProtoModule=one.proto:One,ProtoModule=two.proto:Two", wanted: ["user.proto"])
    let text = try #require(mapped.files["user.volery.swift"], "\(mapped.error)")
    #expect(text.contains("one: Optional<One.Order>") && text.contains("two: Optional<Two.Order>"))
  }

  @Test("a swift_prefix that no name can start with is refused") func prefix() throws {
    let run = try ProtocRun(["a.proto": Self.proto("a", "option swift_prefix = \"1-\"; message M {}")])
    #expect(run.error.contains("no Swift name can start with its swift_prefix \"1-\""), "\(run.error)")
  }
}
