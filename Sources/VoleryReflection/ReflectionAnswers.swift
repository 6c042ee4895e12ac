import VoleryPrimitives
import VoleryProtobuf
import VoleryTypes

/// The answers of one stream. A value: questions in, answers out.
struct ReflectionAnswers {
  /// Of a name that is asked for, in UTF-8: no compiler takes longer ones.
  static let maximumNameBytes = 4096
  /// Of one answer: what is imported and goes beyond it is left out, and clients ask for it by its name. They take 4 MiB.
  static let maximumAnswerBytes = 2 << 20

  private typealias Answer = ServerReflectionResponse.MessageResponse

  private let catalog: ReflectionCatalog
  /// The files that the stream's client has.
  private var sent: Set<Int> = []

  init(_ catalog: ReflectionCatalog) { self.catalog = catalog }

  mutating func answer(to request: ServerReflectionRequest) -> ServerReflectionResponse {
    let names = [request.host, ReflectionAnswers.name(in: request)]
    guard names.allSatisfy({ $0.utf8.count <= ReflectionAnswers.maximumNameBytes }) else {
      // Nothing of it is sent back: it may be as large as the server takes.
      return ServerReflectionResponse(
        messageResponse: .error(
          .invalidArgument, "a name is longer than \(ReflectionAnswers.maximumNameBytes) bytes"))
    }
    var question = request
    question.unknownFields = UnknownFields()
    return ServerReflectionResponse(
      validHost: request.host, originalRequest: question, messageResponse: answer(request.messageRequest))
  }

  private static func name(in request: ServerReflectionRequest) -> String {
    switch request.messageRequest {
    case .fileByFilename(let name)?, .fileContainingSymbol(let name)?, .allExtensionNumbersOfType(let name)?,
      .listServices(let name)?:
      name
    case .fileContainingExtension(let value)?: value.containingType
    case nil: ""
    }
  }

  private mutating func answer(_ question: ServerReflectionRequest.MessageRequest?) -> Answer {
    switch question {
    case .fileByFilename(let name)?:
      if let file = catalog.file(named: name) { return files(file) }
      guard let importer = catalog.importer(of: name) else { return .error(.notFound, "unknown file \(quoted(name))") }
      return .error(.notFound, "\(quoted(importer)) imports \(quoted(name)), which this server has no descriptor of")
    case .fileContainingSymbol(let name)?:
      guard let file = catalog.file(declaring: name) else {
        return .error(.notFound, "unknown symbol \(quoted(name))")
      }
      return files(file)
    case .fileContainingExtension(let value)?:
      guard let file = catalog.file(extending: value.containingType, number: Int(value.extensionNumber)) else {
        return .error(.notFound, "unknown extension \(value.extensionNumber) of \(quoted(value.containingType))")
      }
      return files(file)
    case .allExtensionNumbersOfType(let name)?:
      guard let numbers = catalog.extensionNumbers(of: name) else {
        return .error(.notFound, "unknown message \(quoted(name))")
      }
      return .allExtensionNumbersResponse(
        ExtensionNumberResponse(baseTypeName: name, extensionNumber: numbers.map(Int32.init(truncatingIfNeeded:))))
    case .listServices?:
      return .listServicesResponse(
        ListServiceResponse(service: catalog.services.map { ServiceResponse(name: $0) }))
    case nil: return .error(.invalidArgument, "the request asks for nothing that this server knows of")
    }
  }

  /// The file, and what it imports, as far as the client does not have it.
  private mutating func files(_ file: Int) -> Answer {
    var descriptors: [[UInt8]] = []
    var byteCount = 0
    for index in catalog.withImports(file) where index == file || !sent.contains(index) {
      let descriptor = catalog.files[index].descriptor
      guard index == file || byteCount + descriptor.count <= ReflectionAnswers.maximumAnswerBytes else { continue }
      sent.insert(index)
      byteCount += descriptor.count
      descriptors.append(descriptor)
    }
    return .fileDescriptorResponse(FileDescriptorResponse(fileDescriptorProto: descriptors))
  }

  private func quoted(_ name: String) -> String { "\"\(String(foreign: name))\"" }
}

extension ServerReflectionResponse.MessageResponse {
  fileprivate static func error(_ code: StatusCode, _ message: String) -> Self {
    .errorResponse(ErrorResponse(errorCode: Int32(code.rawValue), errorMessage: message))
  }
}
