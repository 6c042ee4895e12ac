import VoleryPrimitives
import VoleryTypes

/// A path that no service of a server has; whatever the client has sent. Valid as long as the path's bytes.
struct UnlistedMethod {
  /// Answers for all of them, or for some.
  typealias Fallback = @Sendable (_ service: String, _ method: String) -> MethodHandler?

  /// Nobody is told more of a path.
  private static let toldByteCount = 200

  private let path: UnsafeRawBufferPointer
  /// Between its slashes: `/service/method`.
  private let parts: [Slice<UnsafeRawBufferPointer>]

  init(_ path: UnsafeRawBufferPointer) {
    self.path = path
    parts = path.split(separator: UInt8(ascii: "/"), maxSplits: 3, omittingEmptySubsequences: false)
  }

  /// The fallback's; nil for a path that is none of a method, without asking.
  func handler(_ fallback: Fallback) -> MethodHandler? {
    guard parts.count == 3, parts[0].isEmpty else { return nil }
    return fallback(String(decoding: parts[1], as: UTF8.self), String(decoding: parts[2], as: UTF8.self))
  }

  /// What observers and interceptors are told. Of a path that is none of a method, all of it is the service's name.
  var descriptor: MethodDescriptor {
    let isMethod = parts.count == 3 && parts[0].isEmpty
    let service = isMethod ? parts[1] : path[...]
    let name = isMethod ? parts[2] : path[path.endIndex...]
    return MethodDescriptor(service: text(service), name: text(name), kind: .bidirectional)
  }

  /// UNIMPLEMENTED, and which of the two the server has not.
  func status(_ services: [String]) -> Status {
    let text = text(path[...])
    let isKnown = services.contains { text.hasPrefix("/\($0)/") }
    let shown = String(foreign: text)
    return Status(code: .unimplemented, message: isKnown ? "unknown method \(shown)" : "unknown service: \(shown)")
  }

  private func text(_ bytes: Slice<UnsafeRawBufferPointer>) -> String {
    String(decoding: bytes.prefix(UnlistedMethod.toldByteCount), as: UTF8.self)
  }
}
