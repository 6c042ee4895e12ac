import Volery

/// A service without a .proto, for tests: raw bytes in, raw bytes out.
struct RawEcho: Service {
  static let unary = Method<[UInt8], [UInt8]>(service: "test.Raw", name: "Unary", kind: .unary)
  static let download = Method<[UInt8], [UInt8]>(service: "test.Raw", name: "Download", kind: .serverStreaming)
  static let upload = Method<[UInt8], [UInt8]>(service: "test.Raw", name: "Upload", kind: .clientStreaming)
  static let chat = Method<[UInt8], [UInt8]>(service: "test.Raw", name: "Chat", kind: .bidirectional)
  static let fail = Method<[UInt8], [UInt8]>(service: "test.Raw", name: "Fail", kind: .unary)
  static let hang = Method<[UInt8], [UInt8]>(service: "test.Raw", name: "Hang", kind: .unary)
  static let metadata = Method<[UInt8], [UInt8]>(service: "test.Raw", name: "Metadata", kind: .unary)

  /// Told when a handler of `hang` begins.
  var hangBegun: @Sendable () -> Void = {}
  /// Told when one was cancelled.
  var hangCancelled: @Sendable () -> Void = {}

  var handlers: [MethodHandler] {
    [
      .unary(RawEcho.unary) { request, _ in request },
      .serverStreaming(RawEcho.download) { request, writer, _ in
        for index in 0..<Int(request[0]) { try await writer.write([UInt8(index)] + request) }
      },
      .clientStreaming(RawEcho.upload) { requests, _ in
        var total = 0
        for try await request in requests { total += request.count }
        return Array("\(total)".utf8)
      },
      .bidirectional(RawEcho.chat) { requests, writer, _ in
        for try await request in requests { try await writer.write(request) }
      },
      .unary(RawEcho.fail) { request, context in
        context.trailingMetadata = ["reason": "asked"]
        throw StatusError(.failedPrecondition, String(decoding: request, as: UTF8.self))
      },
      .unary(RawEcho.hang) { _, _ in
        hangBegun()
        await withTaskCancellationHandler {
          try? await Task.sleep(for: .seconds(60))
        } onCancel: {
          hangCancelled()
        }
        throw CancellationError()
      },
      .unary(RawEcho.metadata) { _, context in
        context.initialMetadata = ["x-initial": context.metadata["x-in"] ?? "none"]
        var trailing = Metadata()
        trailing[binary: "x-trailing-bin"] = context.metadata[binary: "x-in-bin"]
        context.trailingMetadata = trailing
        return Array(context.authority.utf8)
      },
    ]
  }
}
