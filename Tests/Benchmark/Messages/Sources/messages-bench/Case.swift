import SwiftProtobuf
import VoleryProtobuf

/// What is measured: one message in one direction, by both. Each closure does it so many times.
struct Case {
  let name: String
  let direction: String
  let byteCount: Int
  let volery: (_ times: Int) throws -> Void
  let swiftProtobuf: (_ times: Int) throws -> Void

  var letter: String { String(name.prefix(1)) }

  /// Both directions of a message. Inlined, so that the loops know the types, as a program's own code does.
  @inline(__always)
  static func both<Ours: VoleryProtobuf.Message, Theirs: SwiftProtobuf.Message>(
    _ name: String, _ message: Ours, as: Theirs.Type
  ) throws -> [Case] {
    let bytes = try message.encoded()
    // The same content in both, which a look at the other's bytes proves.
    let theirs = try Theirs(serializedBytes: bytes)
    guard try Ours(decoding: theirs.serializedBytes()) == message else { throw Mismatch(name: name) }
    return [
      Case(
        name: name, direction: "decode", byteCount: bytes.count,
        volery: { for _ in 0..<$0 { keep(try Ours(decoding: bytes)) } },
        swiftProtobuf: { for _ in 0..<$0 { keep(try Theirs(serializedBytes: bytes)) } }),
      Case(
        name: name, direction: "encode", byteCount: bytes.count,
        volery: { for _ in 0..<$0 { keep(try message.encoded()) } },
        swiftProtobuf: { for _ in 0..<$0 { keep(try theirs.serializedBytes() as [UInt8]) } }),
    ]
  }

  static func all() throws -> [Case] {
    try [
      both("a: a string of 5 bytes", Samples.hello, as: Bench_Hello.self),
      both("b: SimpleResponse, 1 KiB", Samples.simpleResponse, as: Bench_SimpleResponse.self),
      both("c: Order, 32 fields", Samples.order, as: Bench_Order.self),
      both("d: 1 MiB of bytes", Samples.blob, as: Bench_Blob.self),
      both("e: 1000 sub-messages", Samples.readings, as: Bench_Readings.self),
      both("f: packed numbers", Samples.numbers, as: Bench_Numbers.self),
    ].flatMap { $0 }
  }
}

struct Mismatch: Error {
  let name: String
}

/// A use of a value that the optimiser can't see through.
@inline(never)
func keep<T>(_ value: T) {}
