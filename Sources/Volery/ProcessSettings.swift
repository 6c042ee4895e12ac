import VoleryEventLoops
import VoleryPrimitives
import VoleryTLSSession
public import VoleryTypes

/// All that Volery changes of the process that it is a part of, and how to have it leave that alone:
///
///     var settings = ProcessSettings()
///     settings.keepsLargeBlocks = false
///     try settings.apply()      // before the first Channel, Server or TLS credentials
///
/// How its event loops wait is said here too, as all channels and servers of the process share them.
///
/// Nothing else of the process is changed. Signals least of all: the threads of event loops block SIGPIPE for themselves, and
/// those that are started from a handler inherit that; the process's own disposition stays what it is. SIGTERM and SIGINT are
/// watched while `Server.run` runs, if `ServerOptions.handlesSignals`.
public struct ProcessSettings: Sendable {
  /// glibc's malloc keeps freed blocks of up to 8 MiB for the next message, and up to 16 MiB at the end of each heap, as if it had
  /// learnt that already. Without it the first large messages cost up to twice the CPU (Docs/Performance.md). Nothing happens
  /// where malloc's thresholds are set by the environment (GLIBC_TUNABLES) or by mallopt(3), nor without glibc. True.
  public var keepsLargeBlocks = true
  /// When 16 MiB of large messages have come and gone, and then nearly none for a second, the process's freed memory is given
  /// back to the system: malloc_trim(3), on a thread of its own. True.
  public var givesMemoryBackAfterBursts = true
  /// OpenSSL is set up without its handler at the end of the process (OPENSSL_INIT_NO_ATEXIT), which would free what other
  /// threads still use. A leak checker sees the difference. Nothing happens where the program has set up OpenSSL itself. True.
  public var skipsOpenSSLExitHandler = true
  /// How long an event loop that has nothing to do looks again and again for something before its thread sleeps; no more than
  /// 1 ms. It does so only while what comes next has come sooner than that, on average of the last few times: calls one after the
  /// other between programs that are near to each other take a third to half of their time then, and less CPU, as waking a
  /// thread costs both (Docs/Performance.md). 50 µs are enough. Where programs that call each other share one processor it costs CPU
  /// and brings nothing: leave it at zero there. Zero.
  public var spinsBeforeWaiting = Duration.zero

  /// What holds for a process that applies nothing: the defaults.
  public init() {}

  /// Makes these the process's settings, in place of the defaults.
  ///
  /// - Throws: `StatusError` FAILED_PRECONDITION, and nothing is changed, once the settings are in use: from the first
  ///   `Channel`, `Server` or TLS credentials on.
  public func apply() throws(StatusError) {
    guard !HeapUse.setting.isInUse, !TLSContext.skipsExitHandler.isInUse, !LoopSpin.setting.isInUse else { throw ProcessSettings.late }
    var heap = HeapUse()
    heap.keepsLargeBlocks = keepsLargeBlocks
    heap.givesBackAfterBursts = givesMemoryBackAfterBursts
    guard HeapUse.setting.choose(heap), TLSContext.skipsExitHandler.choose(skipsOpenSSLExitHandler),
      LoopSpin.setting.choose(spinsBeforeWaiting)
    else {
      throw ProcessSettings.late
    }
  }

  private static var late: StatusError {
    StatusError(
      .failedPrecondition,
      "ProcessSettings.apply() comes too late: call it before the first Channel, Server or TLS credentials are made")
  }
}
