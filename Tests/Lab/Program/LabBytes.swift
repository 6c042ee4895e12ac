import Volery

/// Methods of all four kinds that no .proto has: bytes in, bytes out. What a proxy forwards without knowing it.
struct LabBytes: Service {
  static let unary = Method<[UInt8], [UInt8]>(service: "volery.lab.Bytes", name: "Unary", kind: .unary)
  /// Ten responses with the bytes of the request.
  static let download = Method<[UInt8], [UInt8]>(service: "volery.lab.Bytes", name: "Download", kind: .serverStreaming)
  /// How many bytes came, as a decimal number.
  static let upload = Method<[UInt8], [UInt8]>(service: "volery.lab.Bytes", name: "Upload", kind: .clientStreaming)
  static let chat = Method<[UInt8], [UInt8]>(service: "volery.lab.Bytes", name: "Chat", kind: .bidirectional)
  /// The request's metadata comes back in the trailers; the answer says what is left of the call's time, in milliseconds.
  static let reflect = Method<[UInt8], [UInt8]>(service: "volery.lab.Bytes", name: "Reflect", kind: .unary)
  static let textKey = "x-text"
  static let binaryKey = "x-data-bin"

  var handlers: [MethodHandler] {
    [
      .unary(LabBytes.unary) { request, _ in request },
      .serverStreaming(LabBytes.download) { request, responses, _ in
        for _ in 0..<10 { try await responses.write(request) }
      },
      .clientStreaming(LabBytes.upload) { requests, _ in
        var count = 0
        for try await request in requests { count += request.count }
        return Array("\(count)".utf8)
      },
      .bidirectional(LabBytes.chat) { requests, responses, _ in
        for try await request in requests { try await responses.write(request) }
      },
      .unary(LabBytes.reflect) { _, context in
        var trailers = Metadata()
        for value in context.metadata.values(LabBytes.textKey) { trailers.append(value, for: LabBytes.textKey) }
        for value in context.metadata.binaryValues(LabBytes.binaryKey) {
          trailers.append(binary: value, for: LabBytes.binaryKey)
        }
        context.trailingMetadata = trailers
        let left = context.deadline.timeRemaining.map { Int($0 / .milliseconds(1)) }
        return Array((left.map { "\($0)" } ?? "none").utf8)
      },
    ]
  }
}
