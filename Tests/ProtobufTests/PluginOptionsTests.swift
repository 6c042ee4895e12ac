import Foundation
import Testing

/// Runs protoc with the plugin on a small .proto, as a user does.
@Suite("The protoc plugin's options", .timeLimit(.minutes(2))) struct PluginOptionsTests {
  static let proto = """
    syntax = "proto3";
    package shop;
    import "common/money.proto";
    message Order { common.Money total = 1; }
    enum Kind { KIND_UNKNOWN = 0; }
    service Orders { rpc Place(Order) returns (Order); }
    """
  static let money = """
    syntax = "proto3";
    package common;
    message Money { int64 cents = 1; }
    """
  static let mappings = """
    # Who has what.
    mapping { module_name: "CommonModule" proto_file_path: "common/money.proto" }
    mapping { module_name: 'ShopModule', proto_file_path: 'shop/order.proto' }
    """

  /// What the plugin makes of `shop/order.proto`, by file name, or what it says.
  static func generate(_ options: String) throws -> (files: [String: String], error: String) {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("volery-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let out = folder.appendingPathComponent("out")
    for name in ["shop", "common", "out"] {
      try FileManager.default.createDirectory(
        at: folder.appendingPathComponent(name), withIntermediateDirectories: true)
    }
    try proto.write(to: folder.appendingPathComponent("shop/order.proto"), atomically: true, encoding: .utf8)
    try money.write(to: folder.appendingPathComponent("common/money.proto"), atomically: true, encoding: .utf8)
    try mappings.write(to: folder.appendingPathComponent("mappings"), atomically: true, encoding: .utf8)
    let (_, error) = try GeneratedCodeTests.run(
      "protoc",
      [
        "-I", folder.path, "--plugin=\(GeneratedCodeTests.plugin.path)", "--volery_out=\(out.path)",
        "--volery_opt=\(options.replacing("FOLDER", with: folder.path))", "shop/order.proto",
      ])
    var files: [String: String] = [:]
    for case let name as String in FileManager.default.enumerator(atPath: out.path)! where name.hasSuffix(".swift") {
      files[name] = try String(contentsOf: out.appendingPathComponent(name), encoding: .utf8)
    }
    return (files, error)
  }

  static func code(_ options: String) throws -> String {
    let (files, error) = try generate(options)
    return try #require(files.first, "\(error)").value
  }

  @Test(
    "FileNaming decides where the Swift goes",
    arguments: [
      ("FullPath", "shop/order.volery.swift"), ("PathToUnderscores", "shop_order.volery.swift"),
      ("DropPath", "order.volery.swift"),
    ])
  func fileNaming(_ value: String, _ file: String) throws {
    #expect(try Array(Self.generate("FileNaming=\(value)").files.keys) == [file])
  }

  @Test("Visibility is on what is generated", arguments: ["package", "public"]) func visibility(_ value: String) throws
  {
    let code = try Self.code("Visibility=\(value)")
    #expect(code.contains("\(value) nonisolated struct OrdersClient"))
    #expect(code.contains("\(value) protocol OrdersService"))
  }

  @Test("Client, Server and Messages leave out what nobody wants") func parts() throws {
    let all = try Self.code("Client=true,Server=true,Messages=true")
    let client = try Self.code("Server=false")
    let server = try Self.code("Client=false")
    let messages = try Self.code("Client=false,Server=false")
    let services = try Self.code("Messages=false")
    func has(_ code: String) -> [Bool] {
      ["struct OrdersClient", "protocol OrdersService", "enum OrdersMethods", "struct Order:", "enum Kind"]
        .map(code.contains)
    }
    #expect(has(all) == [true, true, true, true, true])
    #expect(has(client) == [true, false, true, true, true])
    #expect(has(server) == [false, true, true, true, true])
    #expect(has(messages) == [false, false, false, true, true])
    #expect(has(services) == [true, true, true, false, false])
  }

  @Test("a module mapping is imported, by ProtoModule or by a file of them") func mappings() throws {
    #expect(try Self.code("ProtoModule=common/money.proto:Money").contains("\nimport Money\n"))
    let code = try Self.code("ModuleMappings=FOLDER/mappings")
    #expect(code.contains("\nimport CommonModule\n"))
    #expect(!code.contains("ShopModule"), "a file's own module is not imported")
    let services = try Self.code("ModuleMappings=FOLDER/mappings,Messages=false")
    #expect(services.contains("\nimport ShopModule\n"), "unless its messages are there")
  }

  @Test("Module replaces the import of Volery, Prefix goes before names") func moduleAndPrefix() throws {
    let code = try Self.code("Module=VoleryProtobuf+VoleryClient,Prefix=package")
    #expect(code.contains("\nimport VoleryProtobuf\nimport VoleryClient\n"))
    #expect(!code.contains("import Volery\n"))
    #expect(code.contains("struct Shop_Order:"))
  }

  @Test(
    "a value that an option can't have names the option, the value and what it takes",
    arguments: [
      ("Visibility=open", "Visibility can't be \"open\"; it takes internal|package|public"),
      ("FileNaming=Flat", "FileNaming can't be \"Flat\""), ("Client=maybe", "Client can't be \"maybe\""),
      ("ProtoModule=x", "ProtoModule can't be \"x\""), ("Prefix=a-b", "Prefix can't be \"a-b\""),
      ("Visibility", "\"Visibility\" is not NAME=VALUE"), ("ModuleMappings=/nowhere", "/nowhere"),
      ("Nonsense=1", "known are Visibility, FileNaming, Client"),
    ])
  func badValue(_ options: String, _ text: String) throws {
    let (files, error) = try Self.generate(options)
    #expect(error.contains(text))
    #expect(files.isEmpty)
  }

  @Test("--help and Docs/Codegen.md name every option", arguments: ["--help", "-h"]) func help(_ flag: String) throws {
    let help = try Self.output(flag)
    let documentation = try String(
      contentsOf: GeneratedCodeTests.root.appendingPathComponent("Docs/Codegen.md"), encoding: .utf8)
    for name in [
      "Visibility", "FileNaming", "Client", "ClientProtocol", "Server", "Messages", "ProtoModule", "ModuleMappings",
      "Prefix", "Module",
    ] {
      #expect(help.contains("  \(name)="))
      #expect(documentation.contains("| \(name) |"))
    }
  }

  @Test("--version prints it, and an unknown flag is refused") func version() throws {
    #expect(try Self.output("--version").hasPrefix("protoc-gen-volery "))
    let (code, error) = try GeneratedCodeTests.run(GeneratedCodeTests.plugin.path, ["--nonsense"])
    #expect(code == 1)
    #expect(error.contains("--nonsense"))
  }

  static func output(_ flag: String) throws -> String {
    let process = Process()
    process.executableURL = GeneratedCodeTests.plugin
    process.arguments = [flag]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: data, as: UTF8.self)
  }
}
