import TestMessages
import TestSupport
import Testing
import Volery
import VoleryReflection
import VoleryTesting

@Suite("Reflection", .timeLimit(.minutes(1))) struct ReflectionTests {
  static let ownServices = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]

  // MARK: What it knows

  @Test(
    "it tells of all services of its server, those before it, those after it and those without a .proto",
    arguments: [0, 1, 2])
  func services(place: Int) async throws {
    var services: [any Service] = [Health(), Described(name: "demo.Plain")]
    services.insert(Reflection(), at: place)
    let interview = try Interview(Server(services: services))
    #expect(try await interview.services() == ["demo.Plain", "grpc.health.v1.Health"] + Self.ownServices)
    #expect(
      try await interview.files(.fileContainingSymbol("grpc.health.v1.Health")) == ["grpc/health/v1/health.proto"])
    #expect(try await interview.error(.fileContainingSymbol("demo.Plain"))?.errorCode == 5)
  }

  @Test("one value serves several servers, each of which tells of its own services")
  func severalServers() async throws {
    let reflection = Reflection()
    let first = try Interview(reflection, Health())
    let second = try Interview(Described(name: "demo.Other"), reflection)
    #expect(try await first.services() == ["grpc.health.v1.Health"] + Self.ownServices)
    #expect(try await second.services() == ["demo.Other"] + Self.ownServices)
  }

  @Test("it answers on another executor, and under the older name")
  func olderName() async throws {
    let server = Server(services: [Reflection().on(.sharedPool), Health().on(.sharedPool)])
    for method in [ServerReflectionMethods.serverReflectionInfo, Interview.older] {
      let interview = try Interview(server, method)
      #expect(try await interview.services() == ["grpc.health.v1.Health"] + Self.ownServices)
      #expect(
        try await interview.files(.fileContainingSymbol("grpc.health.v1.Health.Watch")) == [
          "grpc/health/v1/health.proto"
        ])
      for version in ["v1", "v1alpha"] {
        #expect(
          try await interview.files(.fileContainingSymbol("grpc.reflection.\(version).ServerReflection")) == [
            "grpc/reflection/\(version)/reflection.proto"
          ])
      }
    }
  }

  @Test(
    "whatever a file declares is a symbol, by its full name",
    arguments: [
      "grpc.health.v1.HealthCheckRequest", "grpc.health.v1.HealthCheckRequest.service",
      "grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc.health.v1.HealthCheckResponse.NOT_SERVING",
      "grpc.health.v1.HealthListResponse.StatusesEntry", "grpc.health.v1.HealthListResponse.StatusesEntry.value",
      "grpc.health.v1.Health", "grpc.health.v1.Health.Check", "volery.tests.Old.Size", "volery.tests.SMALL",
      "volery.tests.Old.LARGE", "volery.tests.Closed", "volery.tests.MINUS", "volery.tests.Everything",
      "google.rpc.BadRequest.FieldViolation", "google.protobuf.Any.type_url",
    ])
  func symbols(_ symbol: String) async throws {
    let interview = try Interview(Health(), Reflection(files: [Old.fileTable, Everything.fileTable]))
    let isKnown = symbol != "volery.tests.SMALL"
    #expect(
      (try await interview.error(.fileContainingSymbol(symbol)) == nil) == isKnown, "an enum's scope is its message")
  }

  @Test("extensions are found by what they extend") func extensions() async throws {
    let interview = try Interview(Reflection(files: [Old.fileTable]))
    guard
      case .allExtensionNumbersResponse(let response)? =
        try await interview.answer(.allExtensionNumbersOfType("volery.tests.Extended"))
    else { throw NeverHappened("the numbers are told") }
    #expect(response.baseTypeName == "volery.tests.Extended")
    #expect(!response.extensionNumber.isEmpty && response.extensionNumber == response.extensionNumber.sorted())
    for number in response.extensionNumber {
      let question = ExtensionRequest(containingType: "volery.tests.Extended", extensionNumber: number)
      #expect(try await interview.files(.fileContainingExtension(question)).first == "proto2.proto")
    }
    let unknown = ExtensionRequest(containingType: "volery.tests.Extended", extensionNumber: 99_999)
    #expect(try await interview.error(.fileContainingExtension(unknown))?.errorCode == 5)
    #expect(
      try await interview.answer(.allExtensionNumbersOfType("volery.tests.Defaults"))
        == .allExtensionNumbersResponse(ExtensionNumberResponse(baseTypeName: "volery.tests.Defaults")))
    for none in ["volery.tests.Closed", "volery.tests.Nobody", ""] {
      #expect(try await interview.error(.allExtensionNumbersOfType(none))?.errorCode == 5)
    }
  }

  @Test("a file comes first, then what it imports, and each import once on a stream") func order() async throws {
    let files = [
      HandMade.file("c.proto"), .file("b.proto", imports: ["c.proto"]),
      .file("a.proto", imports: ["b.proto", "c.proto"], services: ["A"]), .file("d.proto", imports: ["c.proto"]),
    ]
    let server = Server(services: [Described(name: "A", fileDescriptors: files.map(\.bytes)), Reflection()])
    let interview = try Interview(server)
    #expect(try await interview.files(.fileContainingSymbol("A")) == ["a.proto", "b.proto", "c.proto"])
    #expect(try await interview.files(.fileByFilename("a.proto")) == ["a.proto"], "what is asked for is always sent")
    #expect(try await interview.files(.fileByFilename("d.proto")) == ["d.proto"])
    #expect(try await interview.files(.fileByFilename("c.proto")) == ["c.proto"])
    let other = try Interview(server)
    #expect(try await other.files(.fileByFilename("d.proto")) == ["d.proto", "c.proto"])
  }

  // MARK: What it hides

  @Test("a hidden service is in no answer, and its declaration in no file") func hiding() async throws {
    let file = HandMade.file("two.proto", services: ["Open", "Secret"]).bytes
    let secret = HandMade.file("secret.proto", services: ["More"]).bytes
    let services: [any Service] = [
      Described(name: "Open", fileDescriptors: [file]), Described(name: "Secret", fileDescriptors: [file]),
      Described(name: "More", fileDescriptors: [secret]),
    ]
    for reflection in [Reflection(hiding: ["Secret", "More"]), Reflection(showing: ["Open"])] {
      let interview = try Interview(Server(services: services + [reflection]))
      let names = try await interview.services()
      #expect(names.contains("Open") && !names.contains("Secret") && !names.contains("More"))
      #expect(
        try await interview.descriptors(.fileContainingSymbol("Open")) == [
          HandMade.file("two.proto", services: ["Open"]).bytes
        ])
      for symbol in ["Secret", "More"] {
        #expect(try await interview.error(.fileContainingSymbol(symbol))?.errorCode == 5)
      }
      #expect(try await interview.error(.fileByFilename("secret.proto"))?.errorCode == 5)
    }
  }

  @Test("the log names a service that is to be hidden and is not there") func unknownService() async {
    let recorder = LogRecorder()
    var options = ServerOptions()
    options.logger = recorder.logger
    _ = Server(services: [Health(), Reflection(hiding: ["grpc.health.v1.Helth"])], options: options)
    #expect(recorder.lines.contains { $0.contains("warning") && $0.contains("grpc.health.v1.Helth") })
  }
}
