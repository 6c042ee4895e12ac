import Testing
import VoleryTypes

@Suite("Load reports (gRFC A51)") struct LoadReportTests {
  private static var whole: LoadReport {
    var report = LoadReport()
    report.cpuUtilization = 1.5
    report.memoryUtilization = 0.5
    report.applicationUtilization = 0.25
    report.queriesPerSecond = 1200.5
    report.errorsPerSecond = 3
    report.utilization = ["disk": 0.75, "": 1]
    report.requestCost = ["rows": 3487, "credit": -2]
    report.namedMetrics = ["queue": 12, "größe": 1e300]
    return report
  }

  @Test("what is written is read, in any order of its maps") func roundTrip() {
    #expect(LoadReport(protobuf: Self.whole.protobuf()) == Self.whole)
    #expect(LoadReport().protobuf().isEmpty && LoadReport(protobuf: []) == LoadReport())
  }

  @Test("the bytes are those of xds.data.orca.v3.OrcaLoadReport") func bytes() {
    var report = LoadReport()
    report.cpuUtilization = 0.5
    report.namedMetrics = ["q": 1]
    #expect(
      report.protobuf() == [
        0x09, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f, 0x42, 12, 0x0a, 1, 0x71, 0x11, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f,
      ])
  }

  @Test("what makes no sense is left out where it is written and where it is read") func sane() {
    var report = LoadReport()
    report.cpuUtilization = -1
    report.memoryUtilization = 1.01
    report.applicationUtilization = .nan
    report.queriesPerSecond = .infinity
    report.errorsPerSecond = -.infinity
    report.utilization = ["a": 1.5, "b": -0.1, "c": .nan, "d": 1]
    report.requestCost = ["a": .infinity, "b": -7]
    report.namedMetrics = [String(repeating: "n", count: 257): 1, String(repeating: "n", count: 256): 2]
    var wanted = LoadReport()
    wanted.utilization = ["d": 1]
    wanted.requestCost = ["b": -7]
    wanted.namedMetrics = [String(repeating: "n", count: 256): 2]
    #expect(LoadReport(protobuf: report.protobuf()) == wanted)
    // Bytes that nobody here would write: cpu -1, mem 2, a share of NaN.
    var writer = WireWriter()
    writer.append(double: -1, field: 1)
    writer.append(double: 2, field: 2)
    var entry = WireWriter()
    entry.append(bytes: "x".utf8, field: 1)
    entry.append(double: .nan, field: 2)
    writer.append(bytes: entry.bytes, field: 5)
    #expect(LoadReport(protobuf: writer.bytes) == LoadReport())
  }

  @Test("unknown fields, and known ones of other types, are passed over") func unknown() {
    var writer = WireWriter()
    writer.append(varint: 7, field: 3)
    writer.append(varint: 7, field: 1)
    writer.append(bytes: [1, 2, 3], field: 100)
    writer.append(double: 0.5, field: 1)
    var wanted = LoadReport()
    wanted.cpuUtilization = 0.5
    #expect(LoadReport(protobuf: writer.bytes) == wanted)
  }

  @Test(
    "bytes that are none are no report",
    arguments: [
      [9, 0, 0, 0], [0x0a], [0x0a, 200], [0], [0x22, 2, 0x0a, 5], [0x0b], Array(repeating: 0xff, count: 12),
    ] as [[UInt8]])
  func broken(_ bytes: [UInt8]) { #expect(LoadReport(protobuf: bytes) == nil) }

  @Test("a name that is no text is left out") func badName() {
    var entry = WireWriter()
    entry.append(bytes: [0xff, 0xfe] as [UInt8], field: 1)
    entry.append(double: 1, field: 2)
    var writer = WireWriter()
    writer.append(bytes: entry.bytes, field: 8)
    #expect(LoadReport(protobuf: writer.bytes) == LoadReport())
  }

  @Test("maps, names and the whole are bounded: 256 entries, 4 KiB sent, 16 KiB read") func bounds() throws {
    var report = LoadReport()
    for number in 0..<2000 { report.namedMetrics["metric-\(number)"] = Double(number) }
    #expect(report.sane.namedMetrics.count == 256)
    let sent = report.protobuf()
    #expect(sent.count <= 4096 && sent.count > 3900)
    let read = try #require(LoadReport(protobuf: sent))
    #expect(read.namedMetrics.count > 100 && read.namedMetrics.allSatisfy { report.namedMetrics[$0.key] == $0.value })
    // A stranger writes as many as fit.
    var writer = WireWriter()
    for number in 0..<700 {
      var entry = WireWriter()
      entry.append(bytes: "m\(number)".utf8, field: 1)
      entry.append(double: 1, field: 2)
      writer.append(bytes: entry.bytes, field: 8)
    }
    #expect(LoadReport(protobuf: writer.bytes)?.namedMetrics.count == 256)
    #expect(LoadReport(protobuf: writer.bytes + [UInt8](repeating: 0, count: 16 << 10)) == nil)
  }

  @Test("what a call says counts more than what its server says") func merging() {
    var call = LoadReport()
    call.cpuUtilization = 0.25
    call.requestCost = ["rows": 1]
    call.utilization = ["disk": 0.5]
    let merged = Self.whole.merging(call)
    var wanted = Self.whole
    wanted.cpuUtilization = 0.25
    wanted.requestCost["rows"] = 1
    wanted.utilization["disk"] = 0.5
    #expect(merged == wanted)
  }

  @Test("it is among a call's trailing metadata") func metadata() {
    var metadata = Metadata()
    #expect(metadata.loadReport == nil)
    metadata[binary: "endpoint-load-metrics-bin"] = Self.whole.protobuf()
    #expect(metadata.loadReport == Self.whole)
    metadata[binary: "endpoint-load-metrics-bin"] = [9]
    #expect(metadata.loadReport == nil)
  }
}
