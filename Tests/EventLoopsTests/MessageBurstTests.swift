import Testing
import VoleryEventLoops
import VoleryPrimitives

@Suite("Bursts of large messages") struct MessageBurstTests {
  /// A burst on a clock of its own.
  private final class Watched {
    private var burst = MessageBurst()
    private let start = ContinuousClock.now

    /// Whether somebody has to look now that so many bytes have moved at this second.
    func moved(_ byteCount: Int, at second: Double) -> Bool {
      burst.moved(byteCount, now: start.advanced(by: .seconds(second)))
    }

    func looked(at second: Double) -> MessageBurst.Verdict { burst.looked(now: start.advanced(by: .seconds(second))) }
  }

  @Test("little is no burst, however long it goes on") func small() {
    let burst = Watched()
    for second in 0..<15 { #expect(!burst.moved(1 << 20, at: Double(second))) }
    #expect(burst.looked(at: 16) == .nothing)
  }

  @Test("memory is given back once, a second after a burst") func once() {
    let burst = Watched()
    #expect(!burst.moved(MessageBurst.byteCount - 1, at: 0))
    #expect(burst.moved(1, at: 0))
    #expect(!burst.moved(1, at: 0.5), "somebody looks already")
    #expect(burst.looked(at: 1) == .giveBack)
    #expect(burst.looked(at: 2) == .nothing)
    #expect(!burst.moved(1 << 20, at: 3))
  }

  @Test("a load that goes on keeps its memory") func goesOn() {
    let burst = Watched()
    #expect(burst.moved(MessageBurst.byteCount, at: 0))
    for second in 1...100 {
      #expect(!burst.moved(2 << 20, at: Double(second) - 0.5))
      #expect(burst.looked(at: Double(second)) == .wait)
    }
    #expect(burst.looked(at: 101) == .giveBack)
  }

  @Test("where whoever was to look is gone, another one looks") func gone() {
    let burst = Watched()
    #expect(burst.moved(MessageBurst.byteCount, at: 0))
    #expect(!burst.moved(1, at: 10))
    #expect(burst.moved(1, at: 12))
  }

  @Test("the memory that there is, is a part of the machine's") func available() {
    #expect(AvailableMemory.byteCount > 16 << 20)
    #expect(AvailableMemory.byteCount < 1 << 50)
  }

  @Test("a setting of the process is chosen before it is used, and not after") func setting() {
    let setting = ProcessSetting(1)
    #expect(setting.choose(2))
    #expect(!setting.isInUse)
    #expect(setting.use() == 2)
    #expect(!setting.choose(3))
    #expect(setting.use() == 2)
    #expect(setting.isInUse)
  }
}
