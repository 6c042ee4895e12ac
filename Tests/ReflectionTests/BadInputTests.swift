import TestSupport
import Testing
import Volery
import VoleryReflection
import VoleryTesting

@Suite("Reflection and bad input", .timeLimit(.minutes(1))) struct BadInputTests {
  @Test("what is not known is an error in an answer, and the stream goes on") func unknown() async throws {
    let interview = try Interview(Health(), Reflection())
    let deep = String(repeating: "a.", count: 2000)
    let unknown: [Interview.Question] = [
      .fileByFilename("no/such.proto"), .fileByFilename(""), .fileContainingSymbol("no.such"),
      .fileContainingSymbol(""),
      .fileContainingSymbol(".grpc.health.v1.Health"), .fileContainingSymbol(deep), .allExtensionNumbersOfType(deep),
      .fileContainingExtension(ExtensionRequest()),
      .fileContainingExtension(ExtensionRequest(containingType: "grpc.health.v1.Health", extensionNumber: -1)),
    ]
    for question in unknown {
      let error = try #require(try await interview.error(question))
      #expect(error.errorCode == 5)
      #expect(error.errorMessage.utf8.count < 500)
    }
    let nothing = try #require(try await interview.error(nil))
    #expect(nothing.errorCode == 3)
    #expect(try await interview.services().contains("grpc.health.v1.Health"))
    interview.call.finish()
    #expect(await interview.call.status.code == .ok)
  }

  @Test(
    "a name longer than any is refused in an answer that does not repeat it",
    arguments: [
      ServerReflectionRequest(messageRequest: .fileContainingSymbol(String(repeating: "x", count: 3_000_000))),
      ServerReflectionRequest(messageRequest: .listServices(String(repeating: "x", count: 5000))),
      ServerReflectionRequest(host: String(repeating: "x", count: 5000), messageRequest: .listServices("")),
    ])
  func longName(_ request: ServerReflectionRequest) async throws {
    let interview = try Interview(Reflection())
    let response = try await interview.response(to: request)
    guard case .errorResponse(let error)? = response.messageResponse else { throw NeverHappened("an error comes") }
    #expect(error.errorCode == 3)
    #expect(try response.encoded().count < 200)
    #expect(try await interview.services().count == 2)
  }

  @Test("what this version does not know is not sent back") func unknownFields() async throws {
    let interview = try Interview(Reflection())
    let request = ServerReflectionRequest(messageRequest: .listServices(""))
    let later = try ServerReflectionRequest(decoding: request.encoded() + [0xfa, 0x07, 3, 1, 2, 3])
    #expect(later != request)
    #expect(try await interview.response(to: later).originalRequest == request)
  }

  @Test(
    "a file whose import is missing is sent, and who asks for the import is told who misses it; the log says it, too")
  func missingImport() async throws {
    let recorder = LogRecorder()
    var options = ServerOptions()
    options.logger = recorder.logger
    let file = HandMade.file("orders.proto", imports: ["lost.proto"], services: ["Orders"]).bytes
    let interview = try Interview(Described(name: "Orders", fileDescriptors: [file]), Reflection(), options: options)
    #expect(try await interview.files(.fileContainingSymbol("Orders")) == ["orders.proto"])
    let error = try #require(try await interview.error(.fileByFilename("lost.proto")))
    #expect(error.errorCode == 5)
    #expect(error.errorMessage.contains("\"orders.proto\" imports \"lost.proto\""))
    let line = try await recorder.line(containing: "lost.proto")
    #expect(line.contains("warning") && line.contains("orders.proto"))
  }

  @Test("descriptors that are none, that come twice, that import one another and that lie deep do no harm")
  func badDescriptors() async throws {
    var deep = HandMade()
    deep.add(1, "M")
    for _ in 0..<5000 {
      var outer = HandMade()
      outer.add(1, "M")
      outer.add(3, deep.bytes)
      deep = outer
    }
    var nested = HandMade.file("deep.proto")
    nested.add(4, deep.bytes)
    let files: [[UInt8]] = [
      [], [0xff], [0xff, 0xff, 0xff], HandMade.file("").bytes, nested.bytes,
      HandMade.file("a.proto", imports: ["b.proto", "a.proto"], services: ["A"]).bytes,
      HandMade.file("b.proto", imports: ["a.proto"]).bytes, HandMade.file("a.proto", services: ["Other"]).bytes,
      HandMade.file("cut.proto", services: ["Cut"]).bytes.dropLast(2) + [],
    ]
    let interview = try Interview(Described(name: "A", fileDescriptors: files), Reflection())
    #expect(
      try await interview.files(.fileContainingSymbol("A")) == ["a.proto", "b.proto"], "the first version counts")
    #expect(try await interview.error(.fileContainingSymbol("Other"))?.errorCode == 5)
    #expect(try await interview.files(.fileContainingSymbol("M.M.M")) == ["deep.proto"])
    #expect(try await interview.files(.fileByFilename("cut.proto")) == ["cut.proto"])
  }

  @Test(
    "an answer stays within what clients take: imports that go beyond it are left out, and come when they are asked for"
  )
  func largeFiles() async throws {
    let names = (0..<6).map { "large\($0).proto" }
    let files = names.map { name in
      var file = HandMade.file(name)
      // Options that nobody knows.
      file.add(8, [UInt8](repeating: 0, count: 1_000_000))
      return file.bytes
    }
    let root = HandMade.file("root.proto", imports: names, services: ["Large"]).bytes
    let interview = try Interview(Described(name: "Large", fileDescriptors: files + [root]), Reflection())
    let first = try await interview.descriptors(.fileContainingSymbol("Large"))
    #expect(first.map(Interview.fileName) == ["root.proto", "large0.proto", "large1.proto"])
    #expect(first.map(\.count).reduce(0, +) < 4_000_000)
    for name in names.dropFirst(2) { #expect(try await interview.files(.fileByFilename(name)) == [name]) }
  }

  @Test("a stream that its client keeps open does not hold up a server that stops") func drain() async throws {
    let server = Server(services: [Reflection()])
    let interview = try Interview(server)
    #expect(try await interview.services().count == 2)
    // Its limit is beyond the test's.
    await server.drain(limit: .seconds(600))
    #expect(await interview.call.status.code == .unavailable)
  }
}
