/// Where signals differ from system to system.
package enum SignalCalls {
  /// The address of the function that is called for the signal; 0 and 1 for SIG_DFL and SIG_IGN, which are none.
  package static func handlerAddress(_ action: sigaction) -> UInt {
    #if canImport(Glibc)
      unsafeBitCast(action.__sigaction_handler.sa_sigaction, to: UInt.self)
    #elseif canImport(Musl)
      unsafeBitCast(action.__sa_handler.sa_sigaction, to: UInt.self)
    #else
      unsafeBitCast(action.__sigaction_u.__sa_sigaction, to: UInt.self)
    #endif
  }
}
