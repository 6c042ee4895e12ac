import Foundation
import Testing

@Suite("What .proto files of a package import", .timeLimit(.minutes(2))) struct ProtoImportTests {
  static let order = """
    syntax = "proto3";
    package shop.v1;
    message Order { string id = 1; }
    """
  static let bill = """
    syntax = "proto3";
    package shop.v1;
    // import "commented/out.proto";
    import "orders.proto";
    message Bill { Order order = 1; }
    """

  static func trouble(_ body: () throws -> some Any) throws -> String {
    "\(try #require(throws: PluginFailure.self) { _ = try body() })"
  }

  @Test("what Volery has the Swift of is found without an option, and not generated again") func shipped() throws {
    let package = try PackageFolder([
      "Sources/Orders/orders.proto": """
      syntax = "proto3";
      package shop.v1;
      import "google/protobuf/any.proto";
      import "google/protobuf/duration.proto";
      import "google/protobuf/empty.proto";
      import "google/protobuf/field_mask.proto";
      import "google/protobuf/struct.proto";
      import "google/protobuf/timestamp.proto";
      import "google/protobuf/wrappers.proto";
      import "google/rpc/code.proto";
      import "google/rpc/error_details.proto";
      import "google/rpc/status.proto";
      import "grpc/health/v1/health.proto";
      message Order {
        google.rpc.Status status = 1;
        google.protobuf.Timestamp placed = 2;
        grpc.health.v1.HealthCheckResponse health = 3;
      }
      """,
      "Sources/Orders/volery-protoc.json": "{\"prefix\": \"package\", \"protocPath\": \"../../bin/protoc\"}",
    ])
    // A protoc that has not the files of google/protobuf beside it.
    let protoc = try #require(
      ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"].map { URL(fileURLWithPath: "\($0)/protoc") }
        .first { FileManager.default.isExecutableFile(atPath: $0.path) })
    let bin = package.url.appendingPathComponent("bin")
    try FileManager.default.createDirectory(at: bin, withIntermediateDirectories: true)
    try FileManager.default.copyItem(at: protoc.resolvingSymlinksInPath(), to: bin.appendingPathComponent("protoc"))
    let code = try package.generate("Orders")
    #expect(code.contains("status: Google_Rpc_Status?"))
    #expect(code.contains("placed: Google_Protobuf_Timestamp?"))
    #expect(code.contains("health: HealthCheckResponse?"))
    #expect(code.contains("struct Shop_V1_Order:") && !code.contains("struct HealthCheckResponse"))
    #expect(code.contains("_table_grpc_health_v1_health_proto"))
  }

  @Test("a copy of such a file in a target that others depend on is still Volery's") func copied() throws {
    let status = try String(
      contentsOf: PackageFolder.root.appendingPathComponent("Protos/google/rpc/status.proto"), encoding: .utf8)
    let package = try PackageFolder([
      "Sources/Base/google/rpc/status.proto": status, "Sources/Base/volery-protoc.json": "{\"visibility\": \"public\"}",
      "Sources/Orders/orders.proto": """
      syntax = "proto3";
      import "google/rpc/status.proto";
      message Order { google.rpc.Status status = 1; }
      """,
    ])
    #expect(try !package.generate("Orders", after: ["Base"]).contains("import Base"))
    #expect(try package.generate("Base").contains("Its Swift is in VoleryWellKnownTypes"))
  }

  @Test("a missing one names who imports it, where it was looked for, and what to write") func missing() throws {
    let package = try PackageFolder(["Sources/Billing/bill.proto": Self.bill])
    let text = try Self.trouble { try package.generate("Billing") }
    let folder = package.url.appendingPathComponent("Sources/Billing").path
    #expect(text.hasPrefix("\(folder)/bill.proto imports \"orders.proto\", which is in none of the folders"))
    #expect(text.contains(" searched: \(folder), \(PackageFolder.root.path)/Protos."))
    #expect(text.contains("Put it into \(folder)/orders.proto, or write the folder that its name begins in into"))
    #expect(text.contains("\(folder)/volery-protoc.json, relative to that file: {\"importPaths\": "))
    #expect(!text.contains("commented"))
  }

  @Test("one that is elsewhere in the package is found for who wrote it") func elsewhere() throws {
    let package = try PackageFolder([
      "Sources/Billing/bill.proto": Self.bill.replacing("orders.proto", with: "shop/orders.proto"),
      "Protos/shop/orders.proto": Self.order,
    ])
    let text = try Self.trouble { try package.generate("Billing") }
    #expect(text.contains("It is in \(package.url.path)/Protos: write {\"importPaths\": [\"../../Protos\"]} into "))
    let files = "\"files\": [\".\", \"../../Protos/shop/orders.proto\"]"
    #expect(text.contains(files))
    try package.write("{\"importPaths\": [\"../../Protos\"], \(files)}", to: "Sources/Billing/volery-protoc.json")
    let code = try package.generate("Billing")
    #expect(code.contains("struct Bill:") && code.contains("struct Order:"), "what it says to write is the cure")
  }

  @Test("one of protoc's own names the package that has it") func protocsOwn() throws {
    let package = try PackageFolder([
      "Sources/Billing/bill.proto": "syntax = \"proto3\";\nimport \"google/protobuf/nothing.proto\";"
    ])
    let text = try Self.trouble { try package.generate("Billing") }
    #expect(text.contains("bill.proto imports \"google/protobuf/nothing.proto\""))
    #expect(text.contains("libprotobuf-dev"))
  }

  @Test("what is wrong in a file otherwise is protoc's to say") func otherErrors() throws {
    let package = try PackageFolder(["Sources/Orders/orders.proto": "syntax = \"proto3\";\nmessage {"])
    #expect(try Self.trouble { try package.generate("Orders") }.contains("see its messages above"))
  }

  @Test(
    "one whose Swift another module does not show names the option to set, and where",
    arguments: [
      // visibility there | here | what to write there; nil: all is well.
      (nil, nil, "package"), ("internal", nil, "package"), ("internal", "public", "public"),
      ("package", "public", "public"), ("package", nil, nil), ("public", "public", nil), ("package", "internal", nil),
    ] as [(String?, String?, String?)])
  func invisible(_ there: String?, _ here: String?, _ wanted: String?) throws {
    let package = try PackageFolder([
      "Sources/Orders/orders.proto": Self.order, "Sources/Billing/bill.proto": Self.bill,
    ])
    for (target, visibility) in [("Orders", there), ("Billing", here)] {
      guard let visibility else { continue }
      try package.write("{\"visibility\": \"\(visibility)\"}", to: "Sources/\(target)/volery-protoc.json")
    }
    guard let wanted else {
      #expect(try package.generate("Billing", after: ["Orders"]).contains("import Orders"))
      return
    }
    let text = try Self.trouble { try package.generate("Billing", after: ["Orders"]) }
    #expect(
      text.contains("bill.proto imports \"orders.proto\", whose Swift in the module Orders is \(there ?? "internal")"))
    #expect(
      text.hasSuffix(
        "write {\"visibility\": \"\(wanted)\"} into \(package.url.path)/Sources/Orders/volery-protoc.json"))
  }

  @Test("a module that imports nothing of another one does not ask what that shows") func notImported() throws {
    let package = try PackageFolder([
      "Sources/Orders/orders.proto": Self.order, "Sources/Other/other.proto": "syntax = \"proto3\";\nmessage Other {}",
    ])
    #expect(try package.generate("Other", after: ["Orders"]).contains("struct Other:"))
  }

  @Test("imports are read as protoc reads them") func reading() {
    let text = """
      syntax = 'proto3'; /* import "a.proto"; */ import public "b.proto";import weak 'c.proto';
      message import_ { string import = 1; } // import "d.proto";
      import option "e.proto"; option (note) = "import \\"f.proto\\";"; import
      "g.proto";
      """
    #expect(ProtoImports(of: text).names == ["b.proto", "c.proto", "e.proto", "g.proto"])
  }

  @Test("any text is read to its end", arguments: ["", "import", "import \"", "/*", "/", "import public", "\"\n\"\n'"])
  func anything(_ text: String) { #expect(ProtoImports(of: text).names.allSatisfy { $0.isEmpty }) }
}

@Suite("What Package.swift declares") struct ManifestTargetTests {
  @Test("targets by name, with their path and whether they list plugins") func declarations() {
    let targets = ManifestTargets(
      """
      let shop: Target.Dependency = .target(name: "Shop")
      let package = Package(name: "shop", products: [.library(name: "Shop", targets: ["Orders"])], targets: [
        .target(
          name: "Orders", dependencies: [.product(name: "Volery", package: "volery")],
          plugins: [.plugin(name: "VoleryPlugin", package: "volery")]),
        .executableTarget(name: "Shop", dependencies: [.target(name: "Orders")], path: "App (old)"),
        .testTarget(name: "ShopTests", dependencies: ["Shop"]),
        .target(name: "Linted", plugins: [.plugin(name: "Lint", package: "lint")]),
      ])
      """
    ).all
    #expect(targets.map(\.name) == ["Orders", "Shop", "ShopTests", "Linted"])
    #expect(targets.map(\.listsPlugins) == [true, false, false, true])
    #expect(targets.map(\.namesVoleryPlugin) == [true, false, false, false])
    #expect(targets.map(\.path) == ["Sources/Orders", "App (old)", "Tests/ShopTests", "Sources/Linted"])
  }
}
