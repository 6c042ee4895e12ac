import VoleryHTTP2Session
import VoleryPlatform
import VoleryTransport
import VoleryTypes

/// A connection's last request: as a rule the next one says the same, but for its method and its time. Then only these are read.
final class RequestMemo {  // Isolation: loop
  @exclusivity(unchecked) private(set) var head = ServerRequestHead()
  @exclusivity(unchecked) private(set) var responseHeaders: FixedHeaders?
  @exclusivity(unchecked) private var pathPlace = 0
  @exclusivity(unchecked) private var timeoutPlace: Int?
  /// Fields that may have another value, by `HeaderBlock.changes`.
  @exclusivity(unchecked) private var own: UInt32 = 0
  /// No block has this one.
  private static let none = -2
  @exclusivity(unchecked) private var blockNumber = RequestMemo.none
  @exclusivity(unchecked) private var keptCount = 0

  /// The same number: the requests say the same, but for their method and their time. Nil: the last one was not kept.
  var likeness: Int? { blockNumber == RequestMemo.none ? nil : keptCount }

  /// - Parameter head: Of a request that was taken.
  func keep(_ head: borrowing ServerRequestHead, of blockNumber: Int, pathPlace: Int, timeoutPlace: Int?) {
    guard pathPlace < UInt32.bitWidth, timeoutPlace ?? 0 < UInt32.bitWidth else { return forget() }
    keptCount &+= 1
    self.head = copy head
    responseHeaders = .response(head.contentSubtype)
    self.pathPlace = pathPlace
    self.timeoutPlace = timeoutPlace
    own = UInt32(1) << UInt32(pathPlace)
    if let timeoutPlace { own |= UInt32(1) << UInt32(timeoutPlace) }
    self.blockNumber = blockNumber
  }

  /// The last request can't be kept, or was not taken.
  func forget() { blockNumber = RequestMemo.none }

  /// The text of this authority: as a rule it is the last request's.
  func authority(_ value: UnsafeRawBufferPointer) -> String {
    var last = head.authority
    let isSame = last.withUTF8 { last in
      last.count == value.count && (value.isEmpty || memcmp(last.baseAddress!, value.baseAddress!, value.count) == 0)
    }
    return isSame ? last : value.text
  }

  /// Of a block that is like the last one; valid as long as it.
  @inline(__always)
  func path(in block: borrowing HeaderBlock) -> UnsafeRawBufferPointer { block.field(pathPlace).value }

  /// Whether the block is that of a request like the last one, which has then the head that it says.
  @inline(__always)
  func isLike(_ block: borrowing HeaderBlock) -> Bool {
    guard let changes = block.changes(since: blockNumber), changes & ~own == 0 else { return false }
    blockNumber = block.number
    guard changes != 0, let timeoutPlace, changes & (UInt32(1) << UInt32(timeoutPlace)) != 0 else { return true }
    guard let timeout = Timeout.parse(block.field(timeoutPlace).value.trimmed) else {
      // To be refused, with its reason.
      blockNumber = RequestMemo.none
      return false
    }
    head.timeout = timeout
    return true
  }
}
