import Foundation

/// A certificate that signs itself and is its own root, made anew for each run by `openssl`: no private key belongs into a
/// repository.
struct Certificate {
  let certificate: String
  let key: String

  static func make(for name: String) throws -> Certificate {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("bearer-token-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let paths = (certificate: folder.appendingPathComponent("crt").path, key: folder.appendingPathComponent("key").path)
    let openssl = Process()
    openssl.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    openssl.arguments = [
      "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
      "-subj", "/CN=\(name)", "-addext", "subjectAltName=DNS:\(name)", "-out", paths.certificate, "-keyout", paths.key,
    ]
    openssl.standardError = FileHandle.nullDevice
    try openssl.run()
    openssl.waitUntilExit()
    return Certificate(
      certificate: try String(contentsOfFile: paths.certificate, encoding: .utf8),
      key: try String(contentsOfFile: paths.key, encoding: .utf8))
  }
}
