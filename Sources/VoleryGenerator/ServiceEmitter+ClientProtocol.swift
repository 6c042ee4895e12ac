extension ServiceEmitter {
  /// The protocol of a service's client: its calls, each with and without options.
  func emitClientProtocol(_ name: String, _ methods: [Method], _ out: inout CodeWriter) {
    out.line()
    out.line("/// The calls of `\(names.client)`, for code that takes something else in its tests.")
    out.block("\(visibility)protocol \(name): \(types.standard("Sendable"))") { out in
      for method in methods {
        for call in calls(of: method) {
          out.comment(method.descriptor.comment, or: "Calls `\(method.descriptor.name)`.")
          emitDeprecation(method, &out)
          out.line("func \(call.name)(\(call.parameters(with: "options: \(Runtime.callOptions)"))) \(call.result)")
        }
      }
    }
    out.line()
    out.block("extension \(name)") { out in
      for method in methods {
        for call in calls(of: method) {
          emitDeprecation(method, &out)
          out.block("\(visibility)nonisolated func \(call.name)(\(call.parameters(with: nil))) \(call.result)") {
            $0.line("\(call.effects)self.\(call.name)(\(call.argument)options: \(Runtime.callOptions)())")
          }
        }
        guard method.kind == "unary" else { continue }
        let both = calls(of: method)
        out.line("/// Without metadata, where a stand-in has no more to say.")
        emitDeprecation(method, &out)
        out.block(
          "\(visibility)nonisolated func \(both[1].name)(\(both[1].parameters(with: "options: \(Runtime.callOptions)"))) \(both[1].result)"
        ) {
          $0.line("\(Runtime.clientResponse)(message: try await self.\(both[0].name)(request, options: options))")
        }
      }
    }
  }

  private func emitDeprecation(_ method: Method, _ out: inout CodeWriter) {
    if method.descriptor.isDeprecated { out.line("@available(*, deprecated)") }
  }

  /// One function of a client.
  private struct Call {
    let name: String
    /// The request's parameter; nil where the client streams.
    var request: String?
    /// How it is handed on.
    var argument = ""
    var effects = ""
    let result: String

    func parameters(with options: String?) -> String { [request, options].compactMap { $0 }.joined(separator: ", ") }
  }

  private func calls(of method: Method) -> [Call] {
    let (request, response) = (method.request, method.response)
    let effects = "async throws(\(Runtime.statusError)) -> "
    switch method.kind {
    case "unary":
      return [
        Call(
          name: method.function, request: "_ request: \(request)", argument: "request, ", effects: "try await ",
          result: effects + response),
        Call(
          name: "\(method.name)Response", request: "to request: \(request)", argument: "to: request, ",
          effects: "try await ", result: effects + "\(Runtime.clientResponse)<\(response)>"),
      ]
    case "serverStreaming":
      return [
        Call(
          name: method.function, request: "_ request: \(request)", argument: "request, ",
          result: "-> \(Runtime.serverStreamingCall)<\(response)>")
      ]
    case "clientStreaming":
      return [Call(name: method.function, result: "-> \(Runtime.clientStreamingCall)<\(request), \(response)>")]
    default:
      return [Call(name: method.function, result: "-> \(Runtime.bidirectionalCall)<\(request), \(response)>")]
    }
  }
}
