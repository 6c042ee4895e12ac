import TestMessages
import Testing
import Volery

@Suite("Well-known types", .timeLimit(.minutes(1))) struct WellKnownTypesTests {
  @Test(
    "durations become Swift's and come back",
    arguments: [.zero, .seconds(1), .milliseconds(-1500), .nanoseconds(1), .seconds(315_576_000_000)] as [Duration])
  func durations(_ duration: Duration) {
    let message = Google_Protobuf_Duration(duration)
    #expect(message.duration == duration)
    #expect(Duration(message) == duration)
    #expect(message.isValid)
  }

  @Test("timestamps count from 1970, read and write RFC 3339, and can be compared") func timestamps() throws {
    let before = Google_Protobuf_Timestamp(durationSince1970: .milliseconds(-500))
    #expect(before == Google_Protobuf_Timestamp(seconds: -1, nanos: 500_000_000))
    #expect(before.durationSince1970 == .milliseconds(-500))
    #expect(before.rfc3339 == "1969-12-31T23:59:59.500Z")
    #expect(Google_Protobuf_Timestamp(rfc3339: "1970-01-01T01:00:00+01:00") == Google_Protobuf_Timestamp())
    #expect(Google_Protobuf_Timestamp(rfc3339: "yesterday") == nil)
    #expect(before < Google_Protobuf_Timestamp())
    #expect(before + .seconds(1) == Google_Protobuf_Timestamp(nanos: 500_000_000))
    #expect(Google_Protobuf_Timestamp() - before == .milliseconds(500))
    #expect(Google_Protobuf_Timestamp.now > Google_Protobuf_Timestamp(rfc3339: "2024-01-01T00:00:00Z")!)
    #expect(!Google_Protobuf_Timestamp(seconds: .max).isValid)
  }

  @Test("days of 550 years have their dates") func calendar() throws {
    for day in stride(from: Int64(-100_000), to: 100_000, by: 13) {
      let time = Google_Protobuf_Timestamp(seconds: day * 86_400 + 1)
      #expect(Google_Protobuf_Timestamp(rfc3339: try #require(time.rfc3339)) == time)
    }
  }

  @Test("Any gives back what was packed, to those who ask for its type") func any() throws {
    let any = try Google_Protobuf_Any(packing: Stranger(name: "x"))
    #expect(any.typeURL == "type.googleapis.com/volery.formats.Stranger")
    #expect(any.isA(Stranger.self) && !any.isA(Format.self))
    #expect(try any.unpack(Stranger.self) == Stranger(name: "x"))
    #expect(try any.unpack(Format.self) == nil)
    #expect(try any.unpack(from: TypeRegistry([Stranger.self])) as? Stranger == Stranger(name: "x"))
    #expect(try any.unpack(from: TypeRegistry()) == nil)
    #expect(throws: ProtobufError.self) {
      try Google_Protobuf_Any(typeURL: any.typeURL, value: [0xff]).unpack(Stranger.self)
    }
  }

  @Test("JSON values are literals, and their parts can be taken") func structs() throws {
    let object: Google_Protobuf_Struct = ["a": 1, "b": [true, nil, "x"], "c": ["d": 0.5]]
    #expect(try object.jsonString() == #"{"a":1,"b":[true,null,"x"],"c":{"d":0.5}}"#)
    #expect(object["a"]?.number == 1)
    #expect(object["b"]?.list?[0].bool == true)
    #expect(object["b"]?.list?[1].isNull == true)
    #expect(object["b"]?.list?[2].string == "x")
    #expect(object["c"]?.object?["d"]?.number == 0.5)
    #expect(object["a"]?.string == nil)
  }

  @Test("a field mask contains, joins, intersects and knows its message") func masks() {
    let mask: Google_Protobuf_FieldMask = ["format", "level"]
    #expect(mask.contains("format") && mask.contains("format.level") && !mask.contains("form"))
    #expect(mask.union(["format.level", "any"]).paths == ["any", "format", "level"])
    #expect(mask.intersection(["format.level", "any"]).paths == ["format.level"])
    #expect(Google_Protobuf_FieldMask(paths: ["a.b", "a-b", "a"]).canonical.paths == ["a", "a-b"])
    #expect(mask.isValid(for: Format.self))
    for path in ["nobody", "level.x", "formatList.level", "format_list.level", "int32Value"] {
      #expect(!Google_Protobuf_FieldMask(paths: [path]).isValid(for: Format.self), "\(path)")
    }
  }

  @Test("a message takes the fields that a mask names from another") func updating() throws {
    let other = Format(int32Value: 5, format: Format(int32Value: 6, stringValue: "new"), int32List: [9])
    var message = Format(
      int32Value: 1, stringValue: "kept", level: .low, format: Format(boolValue: true, stringValue: "old"),
      int32List: [1, 2])
    try message.update(from: other, fields: ["int32_value", "format.string_value", "int32_list", "level", "nobody"])
    #expect(
      message
        == Format(
          int32Value: 5, stringValue: "kept", format: Format(boolValue: true, stringValue: "new"), int32List: [9]))
  }

  @Test("what generated files import comes with them: descriptors of all, each once, dependencies first")
  func descriptors() {
    let names = Format.fileTable.fileDescriptorsWithImports.map(fileName)
    #expect(names.last == "formats.proto")
    #expect(Set(names).count == names.count)
    #expect(
      names.sorted() == [
        "formats.proto", "google/protobuf/any.proto", "google/protobuf/duration.proto", "google/protobuf/empty.proto",
        "google/protobuf/field_mask.proto", "google/protobuf/struct.proto", "google/protobuf/timestamp.proto",
        "google/protobuf/wrappers.proto",
      ])
    #expect(Google_Rpc_Status.fileTable.fileName == "google/rpc/status.proto")
  }

  /// The first field of a FileDescriptorProto is its name.
  private func fileName(_ descriptor: [UInt8]) -> String {
    String(decoding: descriptor[2..<(2 + Int(descriptor[1]))], as: UTF8.self)
  }
}
