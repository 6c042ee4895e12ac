import Foundation
import Testing
import Volery

@Suite("Calls to targets that have to be decoded", .timeLimit(.minutes(1))) struct TargetCallTests {
  private func call(_ target: String) async throws {
    let channel = try Channel(target)
    let response = try await channel.unary(RawEcho.unary, [1, 2], options: CallOptions(timeout: .seconds(10)))
    #expect(response.message == [1, 2])
  }

  @Test("a path may have any character") func path() async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
      "a b%20,é?\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.path + "/s"
    let server = Server(services: [RawEcho()])
    try server.start(listeningOn: ListenAddress.unix(path))
    defer { server.shutDown() }
    let encoded = try #require(path.addingPercentEncoding(withAllowedCharacters: .alphanumerics))
    try await call("unix:\(encoded)")
    try await call("static:///unix:\(encoded)")
  }

  @Test("an address may have a zone, by name or number", arguments: ["lo", "1"]) func zone(_ zone: String) async throws
  {
    let server = Server(services: [RawEcho()])
    let address = try server.start(listeningOn: ListenAddress.tcp("::1", 0))[0]
    defer { server.shutDown() }
    guard case .tcp(_, let port) = address else { return }
    for scheme in ["dns:///", "ipv6:", "static:///", ""] { try await call("\(scheme)[::1%25\(zone)]:\(port)") }
  }

  @Test("an unknown zone, or a malformed target, is an error when the channel is made")
  func unknown() {
    for target in ["dns:///[fe80::1%25nothere0]:50051", "dns://[fe80::1%25nothere0]:53/x", "unix:/tmp/%zz"] {
      #expect(throws: TargetError.self, "\(target)") { try Channel(target) }
    }
  }
}
