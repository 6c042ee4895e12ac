import VoleryPlatform

/// Writes a line to standard output, or another descriptor, at once, whoever reads it: `print` waits for a full buffer where that is a pipe.
func printLine(_ line: String, on descriptor: Int32 = 1) {
  let bytes = Array(line.utf8) + [UInt8(ascii: "\n")]
  bytes.withUnsafeBytes { bytes in
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress!, rest.count)
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }
}
