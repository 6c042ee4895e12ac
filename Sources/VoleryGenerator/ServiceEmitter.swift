/// The Swift of a service: its method descriptors, the protocol that a server implements, and the client.
struct ServiceEmitter {
  let service: ServiceDescriptor
  let types: TypeTable
  let options: PluginOptions
  /// `Greeter`, with the file's prefix.
  let name: String
  private var visibility: String { options.visibility == "internal" ? "" : options.visibility + " " }

  init(_ service: ServiceDescriptor, prefix: String, _ types: TypeTable, _ options: PluginOptions) {
    self.service = service
    self.types = types
    self.options = options
    name = prefix + SwiftNames.upperFirst(service.name)
  }

  private struct Method {
    let descriptor: ServiceDescriptor.Method
    let name: String
    let request: String
    let response: String

    var kind: String {
      switch (descriptor.streamsRequests, descriptor.streamsResponses) {
      case (false, false): "unary"
      case (false, true): "serverStreaming"
      case (true, false): "clientStreaming"
      case (true, true): "bidirectional"
      }
    }
  }

  private var methods: [Method] {
    get throws {
      try service.methods.map {
        Method(
          descriptor: $0, name: SwiftNames.escaped(SwiftNames.lowerFirst(SwiftNames.upperCamel($0.name))),
          request: try types[$0.input].swiftName, response: try types[$0.output].swiftName)
      }
    }
  }

  func emit(_ out: inout CodeWriter) throws {
    let methods = try methods
    emitMethods(methods, &out)
    if options.server { emitServer(methods, &out) }
    if options.client { emitClient(methods, &out) }
  }

  private func emitMethods(_ methods: [Method], _ out: inout CodeWriter) {
    out.line()
    out.block("\(visibility)nonisolated enum \(name)Methods") { out in
      for method in methods {
        let idempotency = ["", ", idempotency: .noSideEffects", ", idempotency: .idempotent"][
          min(method.descriptor.idempotency, 2)]
        out.line("\(visibility)static let \(method.name) = Method<\(method.request), \(method.response)>(")
        out.line(
          "  service: \"\(service.fullName)\", name: \"\(method.descriptor.name)\", kind: .\(method.kind)\(idempotency))"
        )
      }
    }
  }

  private func emitServer(_ methods: [Method], _ out: inout CodeWriter) {
    out.line()
    out.comment(service.comment)
    out.block("\(visibility)nonisolated protocol \(name)Service: Service") { out in
      for method in methods {
        out.comment(method.descriptor.comment)
        let request =
          method.descriptor.streamsRequests
          ? "_ requests: RequestStream<\(method.request)>" : "_ request: \(method.request)"
        let responses = method.descriptor.streamsResponses ? ", responses: ResponseWriter<\(method.response)>" : ""
        let result = method.descriptor.streamsResponses ? "" : " -> \(method.response)"
        out.line("func \(method.name)(\(request)\(responses), context: ServerContext) async throws\(result)")
      }
    }
    out.line()
    out.block("extension \(name)Service") { out in
      out.block("\(visibility)nonisolated var handlers: [MethodHandler]") { out in
        out.line("[")
        for method in methods {
          let arguments = method.descriptor.streamsResponses ? "$0, responses: $1, context: $2" : "$0, context: $1"
          out.line("  .\(method.kind)(\(name)Methods.\(method.name)) { try await self.\(method.name)(\(arguments)) },")
        }
        out.line("]")
      }
    }
  }

  private func emitClient(_ methods: [Method], _ out: inout CodeWriter) {
    out.line()
    out.comment(service.comment)
    out.block("\(visibility)nonisolated struct \(name)Client: Sendable") { out in
      out.line("private let channel: Channel")
      out.line()
      out.line("\(visibility)init(_ channel: Channel) { self.channel = channel }")
      for method in methods {
        out.line()
        emitCall(method, &out)
      }
    }
  }

  private func emitCall(_ method: Method, _ out: inout CodeWriter) {
    let path = "\(name)Methods.\(method.name)"
    let options = "options: CallOptions = CallOptions()"
    out.comment(method.descriptor.comment)
    if method.descriptor.isDeprecated { out.line("@available(*, deprecated)") }
    switch method.kind {
    case "unary":
      out.block(
        "\(visibility)func \(method.name)(_ request: \(method.request), \(options)) async throws(StatusError) -> \(method.response)"
      ) { $0.line("try await channel.unary(\(path), request, options: options).message") }
      out.line()
      out.line("/// The same with the response's metadata and the server that answered.")
      out.block(
        "\(visibility)func \(method.name.filter { $0 != "`" })Response(to request: \(method.request), \(options)) async throws(StatusError) -> ClientResponse<\(method.response)>"
      ) { $0.line("try await channel.unary(\(path), request, options: options)") }
    case "serverStreaming":
      out.block(
        "\(visibility)func \(method.name)(_ request: \(method.request), \(options)) -> ServerStreamingCall<\(method.response)>"
      ) {
        $0.line("channel.serverStreaming(\(path), request, options: options)")
      }
    case "clientStreaming":
      out.block(
        "\(visibility)func \(method.name)(\(options)) -> ClientStreamingCall<\(method.request), \(method.response)>"
      ) {
        $0.line("channel.clientStreaming(\(path), options: options)")
      }
    default:
      out.block(
        "\(visibility)func \(method.name)(\(options)) -> BidirectionalCall<\(method.request), \(method.response)>"
      ) {
        $0.line("channel.bidirectional(\(path), options: options)")
      }
    }
  }
}
