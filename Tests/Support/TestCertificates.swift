import VoleryPlatform

/// The certificates that `certificates.sh` makes, once for each run of the tests: good ones, and each kind of bad one.
package enum TestCertificates {
  package static let folder: String = {
    let temporary = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    let folder = "\(temporary)/volery-certificates-\(getpid())"
    let script = "\(#filePath)".replacingSuffix("TestCertificates.swift", with: "certificates.sh")
    let code = try? ChildProcess.run([script, folder]).code
    precondition(code == 0, "certificates.sh has failed")
    return folder
  }()

  package static func path(_ name: String) -> String { "\(folder)/\(name)" }
}

extension String {
  fileprivate func replacingSuffix(_ suffix: String, with replacement: String) -> String {
    hasSuffix(suffix) ? dropLast(suffix.count) + replacement : self
  }
}
