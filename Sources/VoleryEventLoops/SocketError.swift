import CLibUV
import VoleryPlatform

/// What the operating system said when a socket could not do something.
package struct SocketError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The errno, negative as libuv has it.
  package let code: Int32
  /// For people: "connection refused", "connection timed out after 1 s".
  package let description: String

  package init(code: Int32) {
    self.code = code
    self.description = String(cString: uv_strerror(code))
  }

  package init(code: Int32, description: String) {
    self.code = code
    self.description = description
  }

  init(code: Int32, doing: String) {
    self.init(code: code, description: "\(doing): \(String(cString: uv_strerror(code)))")
  }

  static func last(_ doing: String) -> SocketError { SocketError(code: uv_translate_sys_error(errno), doing: doing) }
}
