public import CProtobufC
import Synchronization
import VoleryPrimitives

/// The messages of one .proto as libprotobuf-c wants them: real descriptors, built from a compact table when the first
/// message of the file is used. Messages of a file point to one another by index, and to those of other files through
/// their tables, which can't point back: imports have no cycles.
public final class FileTable: @unchecked Sendable {  // Isolation: constant
  /// Bits of a field: libprotobuf-c's own, which stand in `flags`, and ours, which stand in `reserved_flags`.
  enum FieldFlags {
    static let packed: UInt32 = 1
    static let oneof: UInt32 = 4

    /// A message that travels between a start and an end tag (proto2's groups, DELIMITED).
    static let group: UInt32 = 1
    static let closedEnum: UInt32 = 2
    /// `string`, which the library takes for bytes.
    static let string: UInt32 = 4
  }

  /// Bits of a message, in `reserved1` of its descriptor.
  enum MessageFlags {
    static let hasGroup = 2
    static let isMapEntry = 4
  }

  /// Added to the numbers of groups: beyond the range of field numbers, so that no message of a length is taken for one.
  static let firstPrivateNumber = 1 << 29

  @usableFromInline let descriptors: UnsafeMutablePointer<ProtobufCMessageDescriptor>
  /// How many messages the file has, those within others and map entries among them; their indices are below it.
  public let messageCount: Int
  private let encodedFileDescriptor: StaticString
  private let links: @Sendable () -> [FileTable]
  private let unlinked: [StaticString]
  let lazySchema = AtomicLazyReference<FileSchema>()

  /// The form of what generated code hands over: a generator and a runtime that do not go together do not compile.
  public enum Format: Sendable {
    /// What the generator of this version writes.
    case version2
  }

  /// What generated code called before there was a `Format`.
  @available(
    *, unavailable, message: "this file was written by an older version of protoc-gen-volery: generate it anew"
  )
  public convenience init(
    schema: [Int32], imports: [MessageType], closedEnums: [[Int32]] = [],
    linked: @autoclosure @escaping @Sendable () -> [FileTable] = [], unlinked: [StaticString] = [],
    fileDescriptor: StaticString
  ) {
    fatalError("unavailable")
  }

  /// The table of one .proto file; generated code makes it.
  ///
  /// - Parameters:
  ///   - format: What the generator writes; the other parameters are in its form.
  ///   - schema: For each message: size, number of fields, flags, then for each field, by number: number, type |
  ///     label << 8 | flags << 16 | our flags << 24, offset of the has-word (or case, or count), offset of the value, the
  ///     sub-message (0 none, i + 1 the message i of this file, -(i + 1) the i-th of `imports`), and for a closed enum the
  ///     place of its numbers in `closedEnums`. The number of a group is `firstPrivateNumber` more than the .proto's.
  ///   - imports: Messages of other files.
  ///   - closedEnums: The numbers that an enum has, in ascending order.
  ///   - linked: The tables of the files that this one imports.
  ///   - unlinked: Descriptors of imported files that nobody has generated, like `fileDescriptor`.
  ///   - fileDescriptor: The serialized FileDescriptorProto in hexadecimal, in lines.
  public init(
    format: Format, schema: [Int32], imports: [MessageType], closedEnums: [[Int32]] = [],
    linked: @autoclosure @escaping @Sendable () -> [FileTable] = [], unlinked: [StaticString] = [],
    fileDescriptor: StaticString
  ) {
    encodedFileDescriptor = fileDescriptor
    links = linked
    self.unlinked = unlinked
    let enums = closedEnums.map(FileTable.numbers)
    var count = 0
    var index = 0
    while index < schema.count {
      index += FileTable.messageColumns + FileTable.fieldColumns * Int(schema[index + 1])
      count += 1
    }
    messageCount = count
    descriptors = CacheLines.allocate(ProtobufCMessageDescriptor.self, count: max(1, count))
    descriptors.initialize(repeating: ProtobufCMessageDescriptor(), count: max(1, count))
    index = 0
    for message in 0..<count {
      let start = index + FileTable.messageColumns
      let end = start + FileTable.fieldColumns * Int(schema[index + 1])
      build(&descriptors[message], size: Int(schema[index]), schema[start..<end], imports, enums)
      descriptors[message].reserved1 = UnsafeMutableRawPointer(bitPattern: Int(schema[index + 2]))
      index = end
    }
  }

  private static let messageColumns = 3
  private static let fieldColumns = 6

  /// A list with its count in front.
  private static func numbers(_ values: [Int32]) -> UnsafeMutableRawPointer {
    let memory = UnsafeMutablePointer<Int32>.allocate(capacity: values.count + 1)
    memory.initialize(to: Int32(values.count))
    for (index, value) in values.enumerated() { memory.advanced(by: index + 1).initialize(to: value) }
    return UnsafeMutableRawPointer(memory)
  }

  /// The serialized FileDescriptorProto (google/protobuf/descriptor.proto), without comments.
  public var fileDescriptor: [UInt8] { FileTable.bytes(encodedFileDescriptor) }

  /// The tables of the files that this one imports, as far as there is code of them.
  public var dependencies: [FileTable] { links() }

  /// Descriptors of imported files that there is no code of.
  package var unlinkedFileDescriptors: [[UInt8]] { unlinked.map(FileTable.bytes) }

  private static func bytes(_ hexadecimal: StaticString) -> [UInt8] {
    hexadecimal.withUTF8Buffer { text in
      let lineEnd = UInt8(ascii: "\n")
      let digits = text.filter { $0 != lineEnd }
      let nibble = { (digit: UInt8) in digit < 0x3a ? digit - 0x30 : digit - 0x57 }
      return stride(from: 0, to: digits.count - 1, by: 2).map { nibble(digits[$0]) << 4 | nibble(digits[$0 + 1]) }
    }
  }

  nonisolated(unsafe) private static let noName: UnsafePointer<CChar> = {  // Isolation: constant
    let name = UnsafeMutablePointer<CChar>.allocate(capacity: 1)
    name.pointee = 0
    return UnsafePointer(name)
  }()

  private func build(
    _ descriptor: inout ProtobufCMessageDescriptor, size: Int, _ schema: ArraySlice<Int32>, _ imports: [MessageType],
    _ enums: [UnsafeMutableRawPointer]
  ) {
    descriptor.magic = UInt32(PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC)
    descriptor.name = FileTable.noName
    descriptor.short_name = FileTable.noName
    descriptor.c_name = FileTable.noName
    descriptor.package_name = FileTable.noName
    descriptor.sizeof_message = size
    let count = schema.count / FileTable.fieldColumns
    descriptor.n_fields = UInt32(count)
    let fields = CacheLines.allocate(ProtobufCFieldDescriptor.self, count: count + 1)
    for index in 0..<count {
      let start = schema.startIndex + index * FileTable.fieldColumns
      fields.advanced(by: index).initialize(
        to: field(Array(schema[start..<(start + FileTable.fieldColumns)]), imports, enums))
    }
    // An end, so that reading may look at the next field without counting (`FieldForm.Kind.none`).
    fields.advanced(by: count).initialize(to: ProtobufCFieldDescriptor())
    descriptor.fields = UnsafePointer(fields)
    descriptor.reserved2 = packedAsBytes(descriptor)
  }

  /// See PackedNumbers. Kept for ever, as all of the table.
  private func packedAsBytes(_ descriptor: ProtobufCMessageDescriptor) -> UnsafeMutableRawPointer? {
    let fields = UnsafeBufferPointer(start: descriptor.fields, count: Int(descriptor.n_fields))
    guard fields.contains(where: PackedNumbers.isCandidate) else { return nil }
    let others = UnsafeMutablePointer<ProtobufCFieldDescriptor>.allocate(capacity: fields.count)
    for (index, field) in fields.enumerated() {
      others.advanced(by: index).initialize(
        to: PackedNumbers.isCandidate(field) ? PackedNumbers.asBytes(field) : field)
    }
    let other = UnsafeMutablePointer<ProtobufCMessageDescriptor>.allocate(capacity: 1)
    other.initialize(to: descriptor)
    other.pointee.fields = UnsafePointer(others)
    return UnsafeMutableRawPointer(other)
  }

  private func field(
    _ values: [Int32], _ imports: [MessageType], _ enums: [UnsafeMutableRawPointer]
  ) -> ProtobufCFieldDescriptor {
    var field = ProtobufCFieldDescriptor()
    field.name = FileTable.noName
    field.id = UInt32(values[0])
    let kind = UInt32(bitPattern: values[1])
    field.type = ProtobufCType(rawValue: kind & 0xff)
    field.label = ProtobufCLabel(rawValue: kind >> 8 & 0xff)
    field.flags = kind >> 16 & 0xff
    field.reserved_flags = kind >> 24
    field.quantifier_offset = UInt32(values[2])
    field.offset = UInt32(values[3])
    if values[4] > 0 {
      field.descriptor = UnsafeRawPointer(descriptors + Int(values[4] - 1))
    } else if values[4] < 0 {
      field.descriptor = UnsafeRawPointer(imports[Int(-values[4] - 1)].descriptor)
    }
    if field.isClosedEnum { field.reserved2 = enums[Int(values[5])] }
    field.setForm()
    return field
  }
}

/// One message type of a table.
public struct MessageType: @unchecked Sendable {  // Isolation: constant
  /// libprotobuf-c's descriptor of the type; as its table, it is kept for ever.
  public let descriptor: UnsafePointer<ProtobufCMessageDescriptor>
  /// The table of its file, kept for ever.
  public let file: FileTable

  /// The type with this index of the file's table; generated code knows the index, which is below `messageCount`.
  @inlinable public init(_ file: FileTable, _ index: Int) {
    self.file = file
    descriptor = UnsafePointer(file.descriptors + index)
  }
}
