import FuzzTargets
import Glibc

/// What libFuzzer calls. It has no `main`: libFuzzer brings that. VOLERY_FUZZ_TARGET chooses the target.
private let target: FuzzTarget = {
  guard let name = getenv("VOLERY_FUZZ_TARGET"), let target = FuzzTarget(rawValue: String(cString: name)) else {
    fatalError("VOLERY_FUZZ_TARGET must be one of \(FuzzTarget.allCases.map(\.rawValue))")
  }
  return target
}()

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  target.run(UnsafeRawBufferPointer(start: start, count: count))
  return 0
}
