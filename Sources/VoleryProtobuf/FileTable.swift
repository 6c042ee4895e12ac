public import CProtobufC
import Synchronization

/// The messages of one .proto as libprotobuf-c wants them: real descriptors, built from a compact table when the first
/// message of the file is used. Messages of a file point to one another by index, and to those of other files through
/// their tables, which can't point back: imports have no cycles.
public final class FileTable: @unchecked Sendable {
  /// What a field of the table says; `flags` has libprotobuf-c's bits and the ones below.
  enum FieldFlags {
    static let packed: UInt32 = 1
    static let oneof: UInt32 = 4
    static let group: UInt32 = 1 << 8
    static let closedEnum: UInt32 = 1 << 9
  }

  let descriptors: UnsafeMutablePointer<ProtobufCMessageDescriptor>
  public let messageCount: Int
  private let encodedFileDescriptor: StaticString
  private let links: @Sendable () -> [FileTable]
  private let unlinked: [StaticString]
  let lazySchema = AtomicLazyReference<FileSchema>()

  /// - Parameters:
  ///   - schema: For each message: size, number of fields, then for each field, by number: number, type | label << 8 |
  ///     flags << 16, offset of the has-word (or case, or count), offset of the value, and the sub-message: 0 none, i + 1 the
  ///     message i of this file, -(i + 1) the i-th of `imports`.
  ///   - imports: Messages of other files.
  ///   - linked: The tables of the files that this one imports.
  ///   - unlinked: Descriptors of imported files that nobody has generated, like `fileDescriptor`.
  ///   - fileDescriptor: The serialized FileDescriptorProto in hexadecimal.
  public init(
    schema: [Int32], imports: [MessageType], linked: @autoclosure @escaping @Sendable () -> [FileTable] = [],
    unlinked: [StaticString] = [], fileDescriptor: StaticString
  ) {
    encodedFileDescriptor = fileDescriptor
    links = linked
    self.unlinked = unlinked
    var count = 0
    var index = 0
    while index < schema.count {
      index += 2 + 5 * Int(schema[index + 1])
      count += 1
    }
    messageCount = count
    descriptors = .allocate(capacity: max(1, count))
    descriptors.initialize(repeating: ProtobufCMessageDescriptor(), count: max(1, count))
    index = 0
    for message in 0..<count {
      let fieldCount = Int(schema[index + 1])
      build(
        &descriptors[message], size: Int(schema[index]), Array(schema[(index + 2)..<(index + 2 + 5 * fieldCount)]),
        imports)
      index += 2 + 5 * fieldCount
    }
  }

  /// The serialized FileDescriptorProto (google/protobuf/descriptor.proto), without comments.
  public var fileDescriptor: [UInt8] { FileTable.bytes(encodedFileDescriptor) }

  /// The tables of the files that this one imports, as far as there is code of them.
  public var dependencies: [FileTable] { links() }

  /// Descriptors of imported files that there is no code of.
  package var unlinkedFileDescriptors: [[UInt8]] { unlinked.map(FileTable.bytes) }

  private static func bytes(_ hexadecimal: StaticString) -> [UInt8] {
    hexadecimal.withUTF8Buffer { digits in
      let nibble = { (digit: UInt8) in digit < 0x3a ? digit - 0x30 : digit - 0x57 }
      return stride(from: 0, to: digits.count - 1, by: 2).map { nibble(digits[$0]) << 4 | nibble(digits[$0 + 1]) }
    }
  }

  nonisolated(unsafe) private static let noName: UnsafePointer<CChar> = {
    let name = UnsafeMutablePointer<CChar>.allocate(capacity: 1)
    name.pointee = 0
    return UnsafePointer(name)
  }()

  private func build(
    _ descriptor: inout ProtobufCMessageDescriptor, size: Int, _ schema: [Int32], _ imports: [MessageType]
  ) {
    descriptor.magic = UInt32(PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC)
    descriptor.name = FileTable.noName
    descriptor.short_name = FileTable.noName
    descriptor.c_name = FileTable.noName
    descriptor.package_name = FileTable.noName
    descriptor.sizeof_message = size
    let count = schema.count / 5
    descriptor.n_fields = UInt32(count)
    // The library reads fields[0] of an empty list unless it is NULL.
    guard count > 0 else { return }
    let fields = UnsafeMutablePointer<ProtobufCFieldDescriptor>.allocate(capacity: count)
    for index in 0..<count {
      fields.advanced(by: index).initialize(to: field(schema[(index * 5)..<(index * 5 + 5)], imports))
    }
    descriptor.fields = UnsafePointer(fields)
    let ranges = FileTable.ranges((0..<count).map { Int32(fields[$0].id) })
    descriptor.n_field_ranges = UInt32(ranges.count - 1)
    let rangeMemory = UnsafeMutablePointer<ProtobufCIntRange>.allocate(capacity: ranges.count)
    rangeMemory.initialize(from: ranges, count: ranges.count)
    descriptor.field_ranges = UnsafePointer(rangeMemory)
  }

  private func field(_ entry: ArraySlice<Int32>, _ imports: [MessageType]) -> ProtobufCFieldDescriptor {
    let values = Array(entry)
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
    return field
  }

  /// Runs of consecutive field numbers, with an end marker.
  private static func ranges(_ ids: [Int32]) -> [ProtobufCIntRange] {
    var ranges: [ProtobufCIntRange] = []
    for (index, id) in ids.enumerated() where index == 0 || id != ids[index - 1] + 1 {
      ranges.append(ProtobufCIntRange(start_value: id, orig_index: UInt32(index)))
    }
    ranges.append(ProtobufCIntRange(start_value: 0, orig_index: UInt32(ids.count)))
    return ranges
  }
}

/// One message type of a table.
public struct MessageType: @unchecked Sendable {
  public let descriptor: UnsafePointer<ProtobufCMessageDescriptor>
  /// The table of its file, kept for ever.
  public let file: FileTable

  public init(_ file: FileTable, _ index: Int) {
    self.file = file
    descriptor = UnsafePointer(file.descriptors + index)
  }
}
