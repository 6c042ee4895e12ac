import Foundation
import Testing

@Suite("Files whose Swift comes with Volery", .timeLimit(.minutes(2))) struct WellKnownFilesTests {
  static let user = """
    syntax = "proto3";
    package shop;
    import "google/protobuf/timestamp.proto";
    import "google/protobuf/descriptor.proto";
    extend google.protobuf.FieldOptions { string note = 50000; }
    message Order { google.protobuf.Timestamp placed = 1 [(note) = "x"]; }
    """

  /// What protoc and the plugin make of some files, by name.
  static func generate(_ files: [String], _ options: String) throws -> (files: [String: String], error: String) {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("volery-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let out = folder.appendingPathComponent("out")
    try FileManager.default.createDirectory(at: out, withIntermediateDirectories: true)
    try user.write(to: folder.appendingPathComponent("order.proto"), atomically: true, encoding: .utf8)
    let (_, error) = try GeneratedCodeTests.run(
      "protoc",
      [
        "-I", folder.path, "-I", GeneratedCodeTests.root.appendingPathComponent("Protos").path,
        "--plugin=\(GeneratedCodeTests.plugin.path)", "--volery_out=\(out.path)", "--volery_opt=\(options)",
      ] + files)
    var made: [String: String] = [:]
    for case let name as String in FileManager.default.enumerator(atPath: out.path)! where name.hasSuffix(".swift") {
      made[name] = try String(contentsOf: out.appendingPathComponent(name), encoding: .utf8)
    }
    return (made, error)
  }

  @Test("whoever imports them uses the module that has them, which Volery exports") func imports() throws {
    let (files, error) = try Self.generate(["order.proto"], "Visibility=internal")
    let code = try #require(files["order.volery.swift"], "\(error)")
    #expect(code.contains("placed: Google_Protobuf_Timestamp?"))
    #expect(code.contains("\nimport Volery\n") && !code.contains("import VoleryWellKnownTypes"))
    #expect(code.contains("linked: [_table_google_protobuf_timestamp_proto]"))
    #expect(code.contains("unlinked: ["), "descriptor.proto has no code, only a descriptor")
    let (alone, _) = try Self.generate(["order.proto"], "Module=VoleryProtobuf")
    #expect(alone["order.volery.swift"]?.contains("\nimport VoleryWellKnownTypes\n") == true)
  }

  @Test(
    "asked for, they are files without code", arguments: ["google/protobuf/timestamp.proto", "google/rpc/status.proto"])
  func neverTwice(_ name: String) throws {
    let (files, error) = try Self.generate([name, "order.proto"], "Visibility=public")
    let code = try #require(files[name.replacing(".proto", with: ".volery.swift")], "\(error)")
    #expect(code.contains("VoleryWellKnownTypes"))
    #expect(!code.contains("struct"))
    #expect(files["order.volery.swift"] != nil)
  }

  @Test("a mapping to another module makes them files like any other") func overridden() throws {
    let name = "google/protobuf/timestamp.proto"
    let (files, error) = try Self.generate([name, "order.proto"], "ProtoModule=\(name):Own")
    let code = try #require(files["google/protobuf/timestamp.volery.swift"], "\(error)")
    #expect(code.contains("struct Google_Protobuf_Timestamp: VoleryProtobuf.Message"))
    #expect(!code.contains("import Own"))
    #expect(files["order.volery.swift"]?.contains("\nimport Own\n") == true)
  }
}
