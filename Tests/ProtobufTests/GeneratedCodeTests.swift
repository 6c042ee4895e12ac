import Foundation
import Testing

@Suite("The protoc plugin", .timeLimit(.minutes(2))) struct GeneratedCodeTests {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  /// The tests' own bundle lies beside the programs.
  static let plugin = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    .deletingLastPathComponent()
    .appendingPathComponent("protoc-gen-volery")

  static func run(_ program: String, _ arguments: [String], input: Data = Data()) throws -> (code: Int32, error: String)
  {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program] + arguments
    let stdin = Pipe()
    let stderr = Pipe()
    process.standardInput = stdin
    process.standardError = stderr
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    stdin.fileHandleForWriting.write(input)
    try stdin.fileHandleForWriting.close()
    let error = stderr.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: error, as: UTF8.self))
  }

  /// What a program writes to its standard output; it has to succeed.
  static func output(_ program: String, _ arguments: [String], input: Data = Data()) throws -> String {
    let folder = FileManager.default.temporaryDirectory
    let file = folder.appendingPathComponent("volery-\(UUID().uuidString)")
    try input.write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.standardInput = try FileHandle(forReadingFrom: file)
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(program) \(arguments)")
    return String(decoding: output, as: UTF8.self)
  }

  /// What the plugin answers to a CodeGeneratorRequest, as text with the rest of its bytes in between.
  static func answer(_ request: Data) throws -> String { try output(plugin.path, [], input: request) }

  @Test("what is committed equals a fresh run") func committedCodeIsFresh() throws {
    let fresh = FileManager.default.temporaryDirectory.appendingPathComponent("volery-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: fresh, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: fresh) }
    let script = Self.root.appendingPathComponent("Protos/generate.sh").path
    let (code, error) = try Self.run(script, [Self.plugin.path, fresh.path])
    #expect(code == 0, "\(error)")
    let files = try #require(FileManager.default.enumerator(atPath: fresh.path)).compactMap { $0 as? String }
      .filter { $0.hasSuffix(".volery.swift") }
    #expect(files.count >= 8)
    for file in files {
      let committed = try String(contentsOf: Self.root.appendingPathComponent(file), encoding: .utf8)
      let made = try String(contentsOf: fresh.appendingPathComponent(file), encoding: .utf8)
      #expect(committed == made, "\(file) is not what the plugin writes: run `make generate`")
    }
  }

  @Test(
    "input that is no CodeGeneratorRequest gets a clear message",
    arguments: [
      Data(), Data("hello".utf8), Data([0xff, 0xff, 0xff]), Data((0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 7) }),
    ])
  func garbage(_ input: Data) throws {
    let (code, error) = try Self.run(Self.plugin.path, [], input: input)
    #expect(code == 1)
    #expect(error.contains("not a CodeGeneratorRequest"))
  }

  @Test("an unknown option names itself and the known ones") func unknownOption() throws {
    let (code, error) = try Self.run(
      "protoc",
      [
        "-I", Self.root.appendingPathComponent("Tests/ProtobufTests").path, "--plugin=\(Self.plugin.path)",
        "--volery_out=/tmp", "--volery_opt=Bogus=1", "everything.proto",
      ])
    #expect(code != 0)
    #expect(error.contains("Bogus"))
    #expect(error.contains("Visibility"))
  }
}
