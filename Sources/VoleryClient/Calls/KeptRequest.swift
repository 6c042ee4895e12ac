/// The bytes of a request that may have to be sent again: all of them until a server has answered, or there are too many.
struct KeptRequest {
  private var first: [UInt8]?
  private var others: [[UInt8]] = []
  private(set) var byteCount = 0
  /// Nothing that was sent is missing.
  private(set) var isComplete = true
  /// More than that is not kept once it is sent.
  private static let limit = 64 << 10

  func forEach(_ body: ([UInt8]) -> Void) {
    if let first { body(first) }
    for bytes in others { body(bytes) }
  }

  mutating func add(_ bytes: [UInt8]) {
    guard isComplete else { return }
    if first == nil { first = bytes } else { others.append(bytes) }
    byteCount += bytes.count
  }

  /// All of it is with a connection.
  mutating func sent() { if byteCount > KeptRequest.limit { letGo() } }

  mutating func letGo() {
    isComplete = false
    first = nil
    if !others.isEmpty { others = [] }
    byteCount = 0
  }
}
