import Foundation
import Testing

/// Docs/Architecture.md, as a check that runs.
@Suite("The architecture") struct ImportTests {
  /// What each module may import of this package and of C.
  static let rows: [[String]] = [
    ["VoleryPrimitives", "VoleryPlatform"],
    ["VoleryTypes", "CNGHTTP2", "COpenSSL", "CLibUV", "CCares", "CZlib", "CProtobufC"],
    [
      "VoleryNameResolution", "VoleryLoadBalancing", "VoleryTransport", "VoleryObservation", "VoleryHTTP2Session",
      "VoleryTLSSession", "VoleryEventLoops", "VoleryCompression",
    ],
    ["VoleryHTTP2Transport", "VoleryDNS", "VoleryFileResolver", "VoleryProtobuf"],
    ["VoleryClient", "VoleryServer", "VoleryGenerator", "VoleryWellKnownTypes"],
    [
      "VoleryServices", "VoleryServiceLifecycle", "VoleryInterceptors", "VoleryTesting", "VoleryMetrics",
      "VoleryTracing",
      "VoleryConfiguration", "VoleryFoundation", "VoleryReflection", "VoleryChannelz", "VoleryProxy", "VoleryStatus",
      "VoleryBinaryLog", "VoleryXDS", "VoleryKubernetes",
    ],
    ["Volery", "VoleryPrometheus", "VoleryProxyConfiguration"],
  ]
  /// C and I/O without gRPC words: these must not know VoleryTypes, nor anything of the package but its primitives.
  static let foundations = [
    "VoleryHTTP2Session", "VoleryTLSSession", "VoleryEventLoops", "VoleryCompression",
  ]
  static let owners = [
    "CNGHTTP2": "VoleryHTTP2Session", "COpenSSL": "VoleryTLSSession", "CLibUV": "VoleryEventLoops",
    "CCares": "VoleryDNS",
    "CZlib": "VoleryCompression", "CProtobufC": "VoleryProtobuf",
  ]
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  static func row(of module: String) -> Int? { rows.firstIndex { $0.contains(module) } }

  /// Every import of every source file of a module.
  static func imports(of module: String) throws -> [(file: String, name: String)] {
    let folder = root.appendingPathComponent("Sources/\(module)")
    let files = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []
    return try files.filter { $0.hasSuffix(".swift") }.flatMap { file in
      try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8).split(separator: "\n")
        .compactMap { line -> (String, String)? in
          let words = line.split(separator: " ")
          guard let index = words.firstIndex(of: "import"), index <= 2, index + 1 < words.count,
            words[..<index].allSatisfy({
              $0.hasPrefix("@") || ["public", "package", "internal", "private"].contains($0)
            })
          else { return nil }
          return (file, String(words[index + 1]))
        }
    }
  }

  static let modules = rows.joined().filter { $0.hasPrefix("Volery") }

  @Test("a module imports only from rows below its own", arguments: modules) func direction(_ module: String) throws {
    let own = try #require(Self.row(of: module))
    for (file, name) in try Self.imports(of: module) {
      guard let other = Self.row(of: name) else { continue }
      #expect(
        other < own,
        "\(module)/\(file) imports \(name), which is not below it: Docs/Architecture.md says why that matters")
    }
  }

  @Test("each C library has one owner") func oneOwner() throws {
    for module in Self.modules {
      for (file, name) in try Self.imports(of: module) {
        guard let owner = Self.owners[name] else { continue }
        #expect(
          owner == module, "\(module)/\(file) imports \(name), which only \(owner) may, so that it could be replaced")
      }
    }
  }

  @Test("what does I/O knows no gRPC words", arguments: foundations) func noWords(_ module: String) throws {
    for (file, name) in try Self.imports(of: module) {
      #expect(
        !name.hasPrefix("Volery") || Self.rows[0].contains(name),
        "\(module)/\(file) imports \(name): it has to be testable and reusable alone")
    }
  }

  @Test("the C library is VoleryPlatform's: Linux with glibc, Linux with musl, macOS") func platforms() throws {
    let sources = Self.root.appendingPathComponent("Sources")
    let files = FileManager.default.enumerator(atPath: sources.path)?.compactMap { $0 as? String } ?? []
    let words = /\b(?:Glibc|Musl|Darwin)\b/
    for file in files where file.hasSuffix(".swift") && !file.hasPrefix("VoleryPlatform/") {
      let text = try String(contentsOf: sources.appendingPathComponent(file), encoding: .utf8)
      for line in text.split(separator: "\n") where line.contains(words) && !line.contains("canImport(Glibc)") {
        #expect(line.contains("//"), "\(file): \(line): import VoleryPlatform instead")
      }
    }
  }

  @Test("the runtime asks no resolver and no resolver factory for its type") func resolverTypes() throws {
    let folder = Self.root.appendingPathComponent("Sources/VoleryClient")
    let files = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []
    let cast = /\b(?:is|as[?!]?) (?:any )?\w*Resolver(?:Factory)?\b/
    for file in files where file.hasSuffix(".swift") {
      let text = try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
      for line in text.split(separator: "\n") where line.contains(cast) && !line.contains("//") {
        Issue.record("\(file): \(line): what differs is a property of Resolver or ResolverFactory")
      }
    }
  }

  @Test("no module of the runtime imports Foundation", arguments: modules.filter { $0 != "VoleryFoundation" })
  func noFoundation(_ module: String) throws {
    for (file, name) in try Self.imports(of: module) {
      #expect(
        !name.hasPrefix("Foundation"), "\(module)/\(file) imports Foundation, which costs every user's binary megabytes"
      )
    }
  }
}
