import Synchronization
import VoleryTypes

/// How a call's responses are compressed: decided by the handler until the first of them, then fixed. Any thread.
struct ResponseCompression: ~Copyable {
  private static let fixed: UInt8 = 0x80
  private let state: Atomic<UInt8>

  init(_ initial: Compression) { state = Atomic(initial.code) }

  var current: Compression { ResponseCompression.compression(state.load(ordering: .relaxed)) }

  /// Does nothing once a response is on its way.
  func choose(_ compression: Compression) {
    var known = state.load(ordering: .relaxed)
    while known & ResponseCompression.fixed == 0 {
      let (isExchanged, original) = state.compareExchange(
        expected: known, desired: compression.code, ordering: .relaxed)
      if isExchanged { return }
      known = original
    }
  }

  /// What holds from now on.
  func fix() -> Compression {
    let known = state.load(ordering: .relaxed)
    if known & ResponseCompression.fixed != 0 { return ResponseCompression.compression(known) }
    return ResponseCompression.compression(state.bitwiseOr(ResponseCompression.fixed, ordering: .relaxed).newValue)
  }

  private static func compression(_ state: UInt8) -> Compression { Compression(code: state & ~fixed) }
}
