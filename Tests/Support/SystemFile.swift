import Foundation

/// The text of a file in /proc, whole.
///
/// Those have no size, and `String(contentsOfFile:)` stops after the first page of them.
package func systemFile(_ path: String) throws -> String {
  guard let file = FileHandle(forReadingAtPath: path) else { throw CocoaError(.fileNoSuchFile) }
  return String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
}
