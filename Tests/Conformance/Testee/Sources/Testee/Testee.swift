import VoleryProtobuf

/// Answers protobuf's conformance runner (conformance.proto): reads the message of a request in the one format and writes it
/// in the other.
@main
enum Testee {
  static func main() throws {
    while let bytes = Pipe.readMessage() {
      let request = try ConformanceRequest(decoding: bytes)
      let response = ConformanceResponse.with { $0.result = answer(request) }
      Pipe.writeMessage(try response.encoded())
    }
  }

  private static func answer(_ request: ConformanceRequest) -> ConformanceResponse.Result {
    switch request.messageType {
    case FailureSet.messageName: .protobufPayload([])  // The runner's first question; its own lists say it.
    case TestAllTypesProto3.messageName: answer(request, as: TestAllTypesProto3.self)
    case TestAllTypesProto2.messageName: answer(request, as: TestAllTypesProto2.self)
    case let name: .runtimeError("the message \(name) is unknown")
    }
  }

  private static func answer<M: Message>(_ request: ConformanceRequest, as type: M.Type) -> ConformanceResponse.Result {
    let message: M
    do {
      switch request.payload {
      case .protobufPayload(let bytes):
        message = try M(decoding: bytes)
      case .jsonPayload(let text):
        var options = JSONDecodingOptions()
        options.ignoresUnknownFields = request.testCategory == .jsonIgnoreUnknownParsingTest
        message = try M(jsonString: text, options: options)
      case .textPayload(let text): message = try M(textFormat: text)
      case .jspbPayload, nil: return .skipped("this input format is not supported")
      }
    } catch {
      return .parseError("\(error)")
    }
    do {
      switch request.requestedOutputFormat {
      case .protobuf:
        return .protobufPayload(try message.encoded())
      case .json:
        return .jsonPayload(try message.jsonString())
      case .textFormat:
        var options = TextFormatOptions()
        options.includesUnknownFields = request.printUnknownFields
        return .textPayload(message.textFormat(options: options))
      default: return .skipped("this output format is not supported")
      }
    } catch {
      return .serializeError("\(error)")
    }
  }
}
