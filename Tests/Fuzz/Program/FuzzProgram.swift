import FuzzTargets
import Glibc

/// libFuzzer as a library: SwiftPM has a `main` of its own in mind for a program. VOLERY_FUZZ_TARGET chooses the target.
@main
struct FuzzProgram {
  private static let target: FuzzTarget = {
    guard let name = getenv("VOLERY_FUZZ_TARGET"), let target = FuzzTarget(rawValue: String(cString: name)) else {
      fatalError("VOLERY_FUZZ_TARGET must be one of \(FuzzTarget.allCases.map(\.rawValue))")
    }
    return target
  }()

  static func main() {
    var count = CommandLine.argc
    var arguments = CommandLine.unsafeArgv
    exit(
      runDriver(&count, &arguments) { start, count in
        FuzzProgram.target.run(UnsafeRawBufferPointer(start: start, count: count))
        return 0
      })
  }
}

/// libFuzzer's entry (llvm.org/docs/LibFuzzer.html, Using libFuzzer as a library). With these arguments Swift calls a
/// function as C does.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
  _ count: UnsafeMutablePointer<CInt>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
  _ testOneInput: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt
