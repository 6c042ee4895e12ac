import Testing
import Volery
import VoleryReflection
import VoleryTesting

/// A service without code of its own, as far as reflection sees it.
struct Described: Service {
  let name: String
  var fileDescriptors: [[UInt8]] = []

  var handlers: [MethodHandler] {
    [.unary(Method<[UInt8], [UInt8]>(service: name, name: "Call", kind: .unary)) { request, _ in request }]
  }
}

/// One stream to a server's reflection, within the process.
struct Interview {
  typealias Question = ServerReflectionRequest.MessageRequest
  static let older = Method<ServerReflectionRequest, ServerReflectionResponse>(
    service: "grpc.reflection.v1alpha.ServerReflection", name: "ServerReflectionInfo", kind: .bidirectional)

  let call: BidirectionalCall<ServerReflectionRequest, ServerReflectionResponse>
  private let responses: ResponseIterator<ServerReflectionResponse>

  init(_ services: any Service..., options: ServerOptions = ServerOptions()) throws {
    try self.init(Server(services: services, options: options))
  }

  init(
    _ server: Server,
    _ method: Method<ServerReflectionRequest, ServerReflectionResponse> = ServerReflectionMethods.serverReflectionInfo
  ) throws {
    call = try Channel.inProcess(server).bidirectional(method, options: CallOptions(timeout: .seconds(20)))
    responses = call.makeAsyncIterator()
  }

  /// The answer to a question; nil: one that asks for nothing.
  func response(to request: ServerReflectionRequest) async throws -> ServerReflectionResponse {
    try await call.send(request)
    var responses = responses
    return try #require(try await responses.next())
  }

  func answer(_ question: Question?) async throws -> ServerReflectionResponse.MessageResponse? {
    let request = ServerReflectionRequest(host: "here", messageRequest: question)
    let response = try await response(to: request)
    #expect(response.validHost == "here")
    #expect(response.originalRequest == request)
    return response.messageResponse
  }

  func services() async throws -> [String] {
    guard case .listServicesResponse(let list)? = try await answer(.listServices("")) else { return [] }
    return list.service.map(\.name)
  }

  /// The names of the files of an answer; an error as its code and text.
  func files(_ question: Question) async throws -> [String] {
    try await descriptors(question).map(Interview.fileName)
  }

  func descriptors(_ question: Question) async throws -> [[UInt8]] {
    switch try await answer(question) {
    case .fileDescriptorResponse(let files)?: return files.fileDescriptorProto
    case let other: throw StatusError(.internal, "\(other.map { "\($0)" } ?? "nil")")
    }
  }

  func error(_ question: Question?) async throws -> ErrorResponse? {
    if case .errorResponse(let error)? = try await answer(question) { error } else { nil }
  }

  /// A descriptor begins with its name: field 1, of less than 128 bytes here.
  static func fileName(_ descriptor: [UInt8]) -> String {
    String(decoding: descriptor.dropFirst(2).prefix(Int(descriptor[1])), as: UTF8.self)
  }
}

/// A FileDescriptorProto, field by field.
struct HandMade {
  private(set) var bytes: [UInt8] = []

  static func file(_ name: String, imports: [String] = [], services: [String] = []) -> HandMade {
    var file = HandMade()
    file.add(1, name)
    for name in imports { file.add(3, name) }
    for name in services {
      var service = HandMade()
      service.add(1, name)
      file.add(6, service.bytes)
    }
    return file
  }

  mutating func add(_ number: Int, _ text: String) { add(number, Array(text.utf8)) }

  mutating func add(_ number: Int, _ content: [UInt8]) {
    bytes += HandMade.varint(number << 3 | 2) + HandMade.varint(content.count) + content
  }

  private static func varint(_ value: Int) -> [UInt8] {
    value < 0x80 ? [UInt8(value)] : [UInt8(value & 0x7f) | 0x80] + varint(value >> 7)
  }
}
