import TestMessages
import Testing
import Volery

@Suite("Messages of proto2", .timeLimit(.minutes(1))) struct Proto2Tests {
  // MARK: Defaults

  @Test("a field knows whether it is set, and an accessor gives the default of the .proto") func defaults() throws {
    var message = Defaults()
    #expect(message.inf == nil)
    #expect(message.infOrDefault == .infinity)
    #expect(message.negativeInfOrDefault == -.infinity)
    #expect(message.notANumberOrDefault.isNaN)
    #expect(message.negativeZeroOrDefault.sign == .minus)
    #expect(message.numberOrDefault == 1.5e-10)
    #expect(message.leastOrDefault == .min)
    #expect(message.mostOrDefault == .max)
    #expect(message.yesOrDefault)
    #expect(message.dataOrDefault == [0, 255, 97, 34, 65])
    #expect(message.closedOrDefault == .minus)
    #expect(Old().textOrDefault == "say \"hello\"\n\\ ü")
    message.yes = false
    #expect(!message.yesOrDefault)
    #expect(try Defaults(decoding: message.encoded()).yes == false)
    #expect(try Defaults().encoded() == [], "a default is not written")
  }

  // MARK: Required

  static let old = Old(needed: 1)
  static let incomplete: [(Required, String)] = [
    (Required(old: old), "volery.tests.Required.name"),
    (Required(name: "n"), "volery.tests.Required.old"),
    (Required(name: "n", old: Old()), "volery.tests.Old.needed"),
    (Required(name: "n", old: old, olds: [old, Old()]), "volery.tests.Old.needed"),
    (Required(name: "n", old: old, byName: ["": Old()]), "volery.tests.Old.needed"),
  ]

  @Test("a required field that is not set is an error that names it, both ways", arguments: incomplete)
  func required(_ message: Required, _ field: String) throws {
    #expect(throws: ProtobufError.missingRequired(field: field)) { try message.encoded() }
    let bytes = try message.encoded(options: EncodeOptions(allowsPartial: true))
    let error = #expect(throws: ProtobufError.self) { try Required(decoding: bytes) }
    #expect(error == .missingRequired(field: field))
    #expect("\(error!)".contains(field))
    #expect(try Required(decoding: bytes, options: DecodeOptions(allowsPartial: true)) == message)
  }

  @Test("a map's entry without a value has a message without its required fields") func requiredInEntry() throws {
    let bytes = try Required(name: "n", old: Self.old).encoded() + [0x22, 3, 0x0a, 1, 0x6b]
    let error = #expect(throws: ProtobufError.self) { try Required(decoding: bytes) }
    #expect(error == .missingRequired(field: "volery.tests.Old.needed"))
    #expect(try Required(decoding: bytes, options: DecodeOptions(allowsPartial: true)).byName == ["k": Old()])
  }

  // MARK: Closed enums

  @Test(
    "a number that a closed enum does not have is an unknown field, as it stood",
    arguments: [
      // Alone; before and after a known one; beyond 32 bits.
      ([0x08, 99], ClosedEnums(), [0x08, 99]),
      ([0x08, 99, 0x08, 1], ClosedEnums(one: .one), [0x08, 99]),
      ([0x08, 1, 0x08, 99], ClosedEnums(one: .one), [0x08, 99]),
      ([0x08, 0xe3, 0x80, 0x80, 0x80, 0x20], ClosedEnums(), [0x08, 0xe3, 0x80, 0x80, 0x80, 0x20]),
      // 2^32 + 1 is 1 in 32 bits.
      ([0x08, 0x81, 0x80, 0x80, 0x80, 0x10], ClosedEnums(one: .one), []),
      // Repeated and packed: those that are known stay in order.
      ([0x10, 1, 0x10, 99, 0x10, 7], ClosedEnums(many: [.one, .init(rawValue: 7)!]), [0x10, 99]),
      ([0x1a, 3, 1, 99, 7], ClosedEnums(packed: [.one, .init(rawValue: 7)!]), [0x18, 99]),
      // The value of a map: the whole entry.
      ([0x22, 4, 0x08, 3, 0x10, 99], ClosedEnums(), [0x22, 4, 0x08, 3, 0x10, 99]),
      ([0x22, 4, 0x08, 3, 0x10, 5], ClosedEnums(byNumber: [3: .on]), []),
      // A oneof keeps the member that it had.
      ([0x32, 1, 65, 0x28, 99], ClosedEnums(choice: .text("A")), [0x28, 99]),
      // In a message within.
      (
        [0x3a, 4, 0x08, 99, 0x08, 1],
        ClosedEnums(
          inner: .with {
            $0.one = .one
            $0.unknown([0x08, 99])
          }), []
      ),
    ] as [([UInt8], ClosedEnums, [UInt8])])
  func closedEnums(_ bytes: [UInt8], _ expected: ClosedEnums, _ unknown: [UInt8]) throws {
    let message = try ClosedEnums(decoding: bytes)
    #expect(message.unknownFields.bytes == unknown)
    var known = message
    known.unknownFields = UnknownFields()
    #expect(known == expected)
    #expect(try ClosedEnums(decoding: message.encoded()) == message)
  }

  @Test("an entry with such a number is unknown in JSON and text format, too") func unknownEntries() throws {
    let unknown: [UInt8] = [0x22, 4, 0x08, 1, 0x10, 46]
    let message = try ClosedEnums(decoding: unknown + unknown + [0x22, 4, 0x08, 1, 0x10, 5])
    #expect(message.byNumber == [1: .on])
    #expect(try message.jsonString() == #"{"byNumber":{"1":"ON"}}"#)
    let text = "by_number {\n  key: 1\n  value: ON\n}\n"
    #expect(message.textFormat == text + String(repeating: "4 {\n  1: 1\n  2: 46\n}\n", count: 2))
  }

  @Test("of a map's entries with one key the last counts, also in an Any") func entriesOfOneKey() throws {
    let entries: [UInt8] = [0x22, 4, 0x08, 1, 0x10, 5, 0x22, 2, 0x08, 2, 0x22, 4, 0x08, 1, 0x10, 0]
    let any = Google_Protobuf_Any(typeURL: "t/volery.tests.ClosedEnums", value: entries)
    var options = JSONEncodingOptions()
    options.types = TypeRegistry([ClosedEnums.self])
    let text = #"{"@type":"t/volery.tests.ClosedEnums","byNumber":{"1":"OFF","2":"OFF"}}"#
    #expect(try any.jsonString(options: options) == text)
  }

  @Test("aliases, negative and deprecated values are there") func enumValues() {
    #expect(Closed.uno == .one)
    #expect(Closed.minus.rawValue == -1)
    #expect(Closed(rawValue: 7)?.rawValue == 7)
    #expect(Closed(rawValue: 2) == nil)
    #expect(Closed.allCases.map(\.rawValue) == [1, -1, .max, 7])
    #expect(Closed() == .one)
  }

  // MARK: Groups

  static let groups = Groups(
    single: Groups.Single(number: -1, inner: Groups(single: Groups.Single(number: 5), number: 6)),
    several: [Groups.Several(text: "a"), Groups.Several(), Groups.Several(text: "b")], number: 7,
    choice: .chosen(Groups.Chosen(number: 3)))

  @Test("groups survive the way through bytes, in all places") func groupsRoundTrip() throws {
    #expect(try Groups(decoding: Self.groups.encoded()) == Self.groups)
    #expect(try Groups(single: Groups.Single(number: 1)).encoded() == [0x0b, 0x10, 1, 0x0c])
    #expect(try Groups(choice: .chosen(Groups.Chosen())).encoded() == [0x33, 0x34])
  }

  @Test("the pieces of a group are merged, another member of its oneof replaces it") func groupsMerge() throws {
    let merged = try Groups(decoding: [0x0b, 0x10, 1, 0x0c, 0x0b, 0x1b, 0x1c, 0x0c, 0x0b, 0x10, 2, 0x0c])
    #expect(merged.single?.number == 2)
    #expect(try Groups(decoding: [0x33, 0x38, 1, 0x34, 0x42, 1, 65]).choice == .text("A"))
    #expect(try Groups(decoding: [0x42, 1, 65, 0x33, 0x38, 1, 0x34]).choice == .chosen(Groups.Chosen(number: 1)))
  }

  @Test(
    "a group that does not end, or ends another, is malformed",
    arguments: [[0x0b], [0x0b, 0x10, 1], [0x0b, 0x14], [0x0c], [0x0b, 0x0b, 0x0c], [0x33, 0x0c]] as [[UInt8]])
  func brokenGroups(_ bytes: [UInt8]) {
    #expect(throws: ProtobufError.malformed) { try Groups(decoding: bytes) }
  }

  @Test("a message of a length is no group, and the other way round") func groupsOfAnotherKind() throws {
    let message = try Groups(decoding: [0x0a, 2, 0x10, 1])
    #expect(message.single == nil)
    #expect(message.unknownFields.bytes == [0x0a, 2, 0x10, 1])
    #expect(try Required(decoding: [0x13, 0x14], options: DecodeOptions(allowsPartial: true)).old == nil)
  }

  @Test("the items of a message set are kept and sent on, byte for byte") func messageSet() throws {
    let items: [UInt8] = [0x0b, 0x10, 4, 0x1a, 2, 8, 7, 0x0c]
    let message = try Items(decoding: items)
    #expect(message.unknownFields.bytes == items)
    #expect(try message.encoded() == items)
    let outer: [UInt8] = [8, 1, 0x12, UInt8(items.count)] + items
    let item = try Item(decoding: outer)
    #expect(item.more == message)
    #expect(try item.encoded() == outer)
  }
}

extension Message {
  fileprivate mutating func unknown(_ bytes: [UInt8]) {
    // What an empty message does not know it keeps.
    unknownFields = (try? Nothing(decoding: bytes))?.unknownFields ?? UnknownFields()
  }
}
