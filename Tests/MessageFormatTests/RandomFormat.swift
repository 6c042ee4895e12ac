import TestMessages
import Volery

/// Numbers that look random and are the same in every run (SplitMix64).
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = (state ^ state >> 30) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
    return mixed ^ mixed >> 31
  }

  mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }

  mutating func text() -> String {
    let letters: [String] = ["a", "Z", "0", " ", "\"", "\\", "\n", "\u{1}", "\u{7f}", "é", "😈", "\u{0}", "<", "'"]
    return (0..<Int.random(in: 0..<8, using: &self)).map { _ in letters.randomElement(using: &self)! }.joined()
  }

  mutating func bytes() -> [UInt8] {
    (0..<Int.random(in: 0..<6, using: &self)).map { _ in UInt8.random(in: .min ... .max, using: &self) }
  }

  /// Any bits, but of the numbers that are none only one.
  mutating func double() -> Double {
    let value = chance(50) ? Double(bitPattern: next()) : Double.random(in: -1000...1000, using: &self).rounded()
    return value.isNaN ? .nan : value
  }

  mutating func float() -> Float {
    let value = Float(bitPattern: UInt32(truncatingIfNeeded: next()))
    return value.isNaN ? .nan : value
  }

  mutating func integer<Number: FixedWidthInteger>() -> Number {
    chance(30) ? [.min, .max, 0, 1].randomElement(using: &self)! : .random(in: .min ... .max, using: &self)
  }
}

extension Format {
  static func random(_ random: inout SeededRandom, depth: Int) -> Format {
    var message = Format()
    message.setScalars(&random)
    message.setLists(&random)
    message.setWellKnown(&random)
    if depth < 2 {
      if random.chance(30) { message.format = .random(&random, depth: depth + 1) }
      if random.chance(20) { message.formatList = (0..<2).map { _ in .random(&random, depth: depth + 1) } }
      if random.chance(20) { message.formatMap[random.integer()] = .random(&random, depth: depth + 1) }
      if random.chance(20), let any = try? Google_Protobuf_Any(packing: Format.random(&random, depth: 2)) {
        message.any = any
      }
    }
    switch Int.random(in: 0..<6, using: &random) {
    case 0: message.choice = .choiceString(random.text())
    case 1: message.choice = .choiceUint32(random.integer())
    case 2: message.choice = .choiceFormat(Format())
    case 3: message.choice = .choiceNull(.nullValue)
    default: break
    }
    return message
  }

  private mutating func setScalars(_ random: inout SeededRandom) {
    if random.chance(40) { int32Value = random.integer() }
    if random.chance(40) { int64Value = random.integer() }
    if random.chance(40) { uint32Value = random.integer() }
    if random.chance(40) { uint64Value = random.integer() }
    if random.chance(40) { sint32Value = random.integer() }
    if random.chance(40) { sint64Value = random.integer() }
    if random.chance(40) { fixed64Value = random.integer() }
    if random.chance(40) { sfixed32Value = random.integer() }
    if random.chance(40) { floatValue = random.float() }
    if random.chance(40) { doubleValue = random.double() }
    if random.chance(40) { boolValue = true }
    if random.chance(40) { stringValue = random.text() }
    if random.chance(40) { bytesValue = random.bytes() }
    if random.chance(40) { level = Level(rawValue: .random(in: -2...4, using: &random)) }
    if random.chance(40) { maybeInt32 = random.integer() }
    if random.chance(40) { maybeString = random.text() }
    if random.chance(40) { maybeLevel = .low }
    if random.chance(20) { renamed = random.text() }
  }

  private mutating func setLists(_ random: inout SeededRandom) {
    let count = Int.random(in: 0..<4, using: &random)
    if random.chance(30) { int32List = (0..<count).map { _ in random.integer() } }
    if random.chance(30) { sint64List = (0..<count).map { _ in random.integer() } }
    if random.chance(30) { doubleList = (0..<count).map { _ in random.double() } }
    if random.chance(30) { stringList = (0..<count).map { _ in random.text() } }
    if random.chance(30) { bytesList = (0..<count).map { _ in random.bytes() } }
    if random.chance(30) { levelList = (0..<count).map { Level(rawValue: Int32($0)) } }
    if random.chance(30) { boolList = (0..<count).map { _ in random.chance(50) } }
    if random.chance(30) { stringMap[random.text()] = random.text() }
    if random.chance(30) { levelMap = [true: .low, false: .negative] }
    if random.chance(30) { doubleMap[random.integer()] = random.double() }
  }

  private mutating func setWellKnown(_ random: inout SeededRandom) {
    if random.chance(30) {
      timestamp = .init(
        seconds: .random(in: -62_135_596_800...253_402_300_799, using: &random),
        nanos: .random(in: 0..<1_000_000_000, using: &random))
    }
    if random.chance(30) {
      let sign: Int32 = random.chance(50) ? 1 : -1
      duration = .init(
        seconds: Int64(sign) * .random(in: 0...315_576_000_000, using: &random),
        nanos: sign * .random(in: 0..<1000, using: &random) * 1_000_000)
    }
    if random.chance(30) { mask = ["a_b.c", "d"] }
    if random.chance(30) {
      structure = ["a": [1, nil, "x", ["y": true]], "b": .init(Double(Int.random(in: 0..<9, using: &random)))]
    }
    if random.chance(30) { value = [nil, 1.5] }
    if random.chance(30) { list = [false] }
    if random.chance(30) { empty = .init() }
    if random.chance(30) { boolWrapper = .init(random.chance(50)) }
    if random.chance(30) { int64Wrapper = .init(random.integer()) }
    if random.chance(30) { uint32Wrapper = .init(random.integer()) }
    if random.chance(30) { floatWrapper = .init(random.float()) }
    if random.chance(30) { stringWrapper = .init(random.text()) }
    if random.chance(30) { bytesWrapper = .init(random.bytes()) }
    if random.chance(30) { values = [nil, "x"] }
    if random.chance(30) { valueMap["k"] = nil as Google_Protobuf_Value }
  }
}
