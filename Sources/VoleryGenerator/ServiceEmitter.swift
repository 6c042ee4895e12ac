/// The Swift of a service: its method descriptors, the protocol that a server implements, and the client.
struct ServiceEmitter {
  let service: ServiceDescriptor
  let file: FileDescriptor
  let types: TypeTable
  let options: PluginOptions
  let names: FileNames.Service
  var visibility: String { options.visibility == "internal" ? "" : options.visibility + " " }

  init(_ service: ServiceDescriptor, of file: FileDescriptor, _ types: TypeTable, _ options: PluginOptions) {
    self.service = service
    self.file = file
    self.types = types
    self.options = options
    names = types.names(of: service, in: file)
  }

  struct Method {
    let descriptor: ServiceDescriptor.Method
    /// Without backticks.
    let name: String
    let request: String
    let response: String

    var function: String { SwiftNames.escaped(name) }

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
      let names = methodNames
      return try service.methods.map {
        Method(
          descriptor: $0, name: names[$0.name]!, request: try types.swiftName($0.input),
          response: try types.swiftName($0.output))
      }
    }
  }

  /// By the .proto's name. Those come first that are written as usual, and then it goes by name: not by the order in the
  /// .proto, which may change.
  private var methodNames: [String: String] {
    var scope = NameScope(ServiceEmitter.members)
    var names: [String: String] = [:]
    for method in service.methods.map(\.name).sorted(by: SwiftNames.keepsMethod) {
      let name = SwiftNames.method(method)
      names[method] = scope.claim(name, "\(name)_p")
    }
    return names
  }

  /// Members of what is generated that no method may hide.
  private static let members: Set<String> = [
    "init", "self", "handlers", "fileDescriptors", "Type", "Protocol", "serviceName", "allMethods", "fileTable",
  ]

  func emit(_ out: inout CodeWriter) throws {
    let methods = try methods
    emitMethods(methods, &out)
    if options.server { emitServer(methods, &out) }
    guard options.client else { return }
    if let name = names.clientProtocol { emitClientProtocol(name, methods, &out) }
    emitClient(methods, &out)
  }

  private func emitMethods(_ methods: [Method], _ out: inout CodeWriter) {
    out.line()
    out.line(
      "/// The methods of `\(service.fullName)`, for calls and handlers without generated types, and what describes them."
    )
    out.block("\(visibility)nonisolated enum \(names.methods)") { out in
      for method in methods {
        out.comment(method.descriptor.comment, or: "`\(method.descriptor.name)`.")
        let idempotency = ["", ", idempotency: .noSideEffects", ", idempotency: .idempotent"][
          min(method.descriptor.idempotency, 2)]
        out.line(
          "\(visibility)static let \(method.function) = \(Runtime.method)<\(method.request), \(method.response)>(")
        out.line(
          "  service: \"\(service.fullName)\", name: \"\(method.descriptor.name)\", kind: .\(method.kind)\(idempotency))"
        )
      }
      out.line()
      out.line("/// The service's full name.")
      out.line("\(visibility)static var serviceName: \(types.standard("String")) { \"\(service.fullName)\" }")
      out.line("/// In the order of the .proto.")
      let all = methods.map { "Self.\($0.name).descriptor" }.joined(separator: ", ")
      out.line("\(visibility)static var allMethods: [\(Runtime.methodDescriptor)] { [\(all)] }")
      out.line("/// The descriptors of the .proto and of what it imports.")
      out.line("\(visibility)static var fileTable: \(Runtime.fileTable) { \(FileEmitter.tableName(file)) }")
    }
  }

  private func emitServer(_ methods: [Method], _ out: inout CodeWriter) {
    out.line()
    out.comment(service.comment, or: "What a server of `\(service.fullName)` implements.")
    // Not `nonisolated`, which methods of types on the main actor would inherit; a Sendable protocol is on no actor by default.
    out.block("\(visibility)protocol \(names.service): \(Runtime.service)") { out in
      for method in methods {
        out.comment(method.descriptor.comment, or: "Answers `\(method.descriptor.name)`.")
        let request =
          method.descriptor.streamsRequests
          ? "_ requests: \(Runtime.requestStream)<\(method.request)>" : "_ request: \(method.request)"
        let responses =
          method.descriptor.streamsResponses ? ", responses: \(Runtime.responseWriter)<\(method.response)>" : ""
        let result = method.descriptor.streamsResponses ? "" : " -> \(method.response)"
        out.line(
          "func \(method.function)(\(request)\(responses), context: \(Runtime.serverContext)) async throws\(result)")
      }
    }
    out.line()
    out.block("extension \(names.service)") { out in
      out.block("\(visibility)nonisolated var handlers: [\(Runtime.methodHandler)]") { out in
        out.line("[")
        for method in methods {
          let arguments = method.descriptor.streamsResponses ? "$0, responses: $1, context: $2" : "$0, context: $1"
          out.line(
            "  .\(method.kind)(\(names.methods).\(method.name)) { try await self.\(method.function)(\(arguments)) },")
        }
        out.line("]")
      }
      out.line()
      let bytes = "[[\(types.standard("UInt8"))]]"
      out.line("\(visibility)nonisolated var fileDescriptors: \(bytes) {")
      out.line("  \(names.methods).fileTable.fileDescriptorsWithImports")
      out.line("}")
    }
  }

  private func emitClient(_ methods: [Method], _ out: inout CodeWriter) {
    out.line()
    out.comment(service.comment, or: "Calls the methods of `\(service.fullName)`.")
    let conformance = names.clientProtocol.map { ", \($0)" } ?? ""
    out.block("\(visibility)nonisolated struct \(names.client): \(types.standard("Sendable"))\(conformance)") { out in
      out.line("private let _calls: \(Runtime.callInvoker)")
      out.line()
      out.line("/// - Parameters:")
      out.line(
        "///   - interceptors: Around each call of this client, inside the channel's own, the first one outermost.")
      out.line("///   - defaults: What holds where a call's own options say nothing.")
      out.block(
        "\(visibility)init(_ channel: \(Runtime.channel), interceptors: [any \(Runtime.clientInterceptor)] = [], defaults: \(Runtime.callOptions)? = nil)"
      ) { $0.line("self._calls = \(Runtime.callInvoker)(channel, interceptors: interceptors, defaults: defaults)") }
      for method in methods {
        out.line()
        emitCall(method, &out)
      }
    }
  }

  private func emitCall(_ method: Method, _ out: inout CodeWriter) {
    let path = "\(names.methods).\(method.name)"
    let options = "options: \(Runtime.callOptions) = \(Runtime.callOptions)()"
    out.comment(method.descriptor.comment, or: "Calls `\(method.descriptor.name)`.")
    if method.descriptor.isDeprecated { out.line("@available(*, deprecated)") }
    switch method.kind {
    case "unary":
      out.block(
        "\(visibility)func \(method.function)(_ request: \(method.request), \(options)) async throws(\(Runtime.statusError)) -> \(method.response)"
      ) { $0.line("try await self._calls.unary(\(path), request, options: options).message") }
      out.line()
      out.line("/// The same with the response's metadata and the server that answered.")
      if method.descriptor.isDeprecated { out.line("@available(*, deprecated)") }
      out.block(
        "\(visibility)func \(method.name)Response(to request: \(method.request), \(options)) async throws(\(Runtime.statusError)) -> \(Runtime.clientResponse)<\(method.response)>"
      ) { $0.line("try await self._calls.unary(\(path), request, options: options)") }
    case "serverStreaming":
      out.block(
        "\(visibility)func \(method.function)(_ request: \(method.request), \(options)) -> \(Runtime.serverStreamingCall)<\(method.response)>"
      ) {
        $0.line("self._calls.serverStreaming(\(path), request, options: options)")
      }
    case "clientStreaming":
      out.block(
        "\(visibility)func \(method.function)(\(options)) -> \(Runtime.clientStreamingCall)<\(method.request), \(method.response)>"
      ) {
        $0.line("self._calls.clientStreaming(\(path), options: options)")
      }
    default:
      out.block(
        "\(visibility)func \(method.function)(\(options)) -> \(Runtime.bidirectionalCall)<\(method.request), \(method.response)>"
      ) {
        $0.line("self._calls.bidirectional(\(path), options: options)")
      }
    }
  }
}
