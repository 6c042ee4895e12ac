#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Prints a line at once, into pipes too.
func writeLine(_ text: String) {
  let bytes = Array((text + "\n").utf8)
  _ = bytes.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
}
