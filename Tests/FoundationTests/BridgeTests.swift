import Foundation
import TestMessages
import Testing
import Volery
import VoleryFoundation

@Suite("Messages and Foundation's types", .timeLimit(.minutes(1))) struct BridgeTests {
  @Test("bytes and JSON come and go as Data") func data() throws {
    let format = Format(int32Value: 3, bytesValue: [1, 2])
    #expect(try Format(decoding: format.encodedData()) == format)
    #expect(try format.encodedData() == Data(format.encoded()))
    #expect(try Format(jsonData: format.jsonData()) == format)
    #expect(throws: ProtobufError.self) { try Format(decoding: Data([0xff])) }
    #expect(throws: MessageTextError.self) { try Format(jsonData: Data("{".utf8)) }
    // A slice begins anywhere.
    let slice = (Data([9, 9]) + (try format.encodedData())).dropFirst(2)
    #expect(try Format(decoding: slice) == format)
    #expect(Google_Protobuf_BytesValue(Data([7])).data == Data([7]))
  }

  @Test("Data is a message of its own", arguments: [0, 5, 100_000]) func raw(_ count: Int) async throws {
    let echo = Method<Data, Data>(service: "demo.Echo", name: "Echo", kind: .unary)
    let name = "foundation-\(UInt64.random(in: 0 ... .max))"
    struct Echo: Service {
      let method: Method<Data, Data>
      var handlers: [MethodHandler] { [.unary(method) { request, _ in request }] }
    }
    let server = Server(services: [Echo(method: echo)])
    try server.start(listeningOn: .inProcess(name))
    let channel = try Channel("in-process:\(name)")
    let data = Data((0..<count).map { UInt8(truncatingIfNeeded: $0) })
    #expect(try await channel.unary(echo, data).message == data)
    await server.drain()
  }

  @Test(
    "points in time are the same both ways, as exactly as a Date is",
    arguments: [
      0, 0.5, -0.25, 1_700_000_000.123456, -62_135_596_800, 253_402_300_799, 1e-9, -1e-9, 978_307_199.9999999999,
    ])
  func dates(_ seconds: Double) {
    let date = Date(timeIntervalSince1970: seconds)
    let timestamp = Google_Protobuf_Timestamp(date)
    #expect(timestamp.isValid)
    #expect(abs(Date(timestamp).timeIntervalSince(date)) < 2e-7 * max(1, abs(seconds) / 1e9))
    #expect(abs(timestamp.timeIntervalSince1970 - seconds) < 1e-4)
    #expect(Google_Protobuf_Timestamp(Date(timestamp)) == timestamp, "there is nothing to drift")
    #expect(abs(Google_Protobuf_Timestamp(timeIntervalSince1970: seconds).timeIntervalSince1970 - seconds) < 1e-4)
  }

  @Test("a date that no Timestamp can say becomes the nearest that one can")
  func extremes() {
    typealias Timestamp = Google_Protobuf_Timestamp
    #expect(Timestamp(.distantPast).rfc3339 == "0001-01-01T00:00:00Z")
    #expect(Timestamp(.distantFuture).rfc3339 == "4001-01-01T00:00:00Z")
    for interval in [Double.infinity, .greatestFiniteMagnitude, 253_402_300_800] {
      #expect(Timestamp(timeIntervalSince1970: interval).rfc3339 == "9999-12-31T23:59:59.999999999Z")
      #expect(Timestamp(Date(timeIntervalSince1970: interval)).rfc3339 == "9999-12-31T23:59:59.999999999Z")
      #expect(Timestamp(timeIntervalSince1970: -interval).rfc3339 == "0001-01-01T00:00:00Z")
    }
    #expect(
      Timestamp(timeIntervalSince1970: .nan) == Timestamp()
        && Timestamp(Date(timeIntervalSince1970: .nan)) == Timestamp())
    #expect(Date(Timestamp(seconds: .min, nanos: .min)).timeIntervalSince1970 < 0)
    #expect(Timestamp(timeIntervalSince1970: 0.9999999999) == Timestamp(seconds: 1))
  }

  @Test(
    "lengths of time are seconds",
    arguments: [
      (0, 0, 0), (1.5, 1, 500_000_000), (-1.5, -1, -500_000_000), (0.9999999999, 1, 0), (-0.9999999999, -1, 0),
      (.infinity, 315_576_000_000, 0), (-1e300, -315_576_000_000, 0), (.nan, 0, 0),
    ] as [(Double, Int64, Int32)])
  func durations(_ interval: Double, _ seconds: Int64, _ nanos: Int32) {
    let duration = Google_Protobuf_Duration(timeInterval: interval)
    #expect(duration == Google_Protobuf_Duration(seconds: seconds, nanos: nanos) && duration.isValid)
    #expect(duration.timeInterval == Double(seconds) + Double(nanos) / 1e9)
  }

  @Test("a file's URL is its path, and a link leads somewhere") func urls() {
    let url = URL(fileURLWithPath: "/etc/my certificates/tls.crt")
    #expect(TLSSource.file(url) == .file("/etc/my certificates/tls.crt"))
    #expect(TLSRoots.file(url) == .file("/etc/my certificates/tls.crt"))
    let page = URL(string: "https://example.org/quota?of=ada")!
    #expect(Google_Rpc_Help.Link("quotas", page).destination == page)
    #expect(Google_Rpc_Help.Link().destination == nil)
  }

  /// Foundation's Date has a `timeIntervalSince1970`, in seconds; what is a Swift Duration here has a name of its own.
  @Test("what has a name of Foundation's means the same") func names() {
    let timestamp = Google_Protobuf_Timestamp(seconds: 7, nanos: 500_000_000)
    #expect(timestamp.timeIntervalSince1970 == timestamp.date.timeIntervalSince1970)
    #expect(timestamp.durationSince1970 == .milliseconds(7500))
  }
}
