/// What a server says of its load, and of what a call has cost it: ORCA's report (gRFC A51, `xds.data.orca.v3.OrcaLoadReport`). It
/// comes with a call's status (`PickEnd.loadReport`, `Metadata.loadReport`), or by itself to a policy that watches
/// (`PolicyEffects.watchLoad`); a server says it by `ServerContext.loadReport` and `LoadRecorder`.
///
/// Zero is the same as not reported. What makes no sense is left out where a report is written and where one is read: a value that
/// is negative, infinite or no number, a share above 1 (`memoryUtilization`, `utilization`), a name of more than 256 bytes, a
/// map's 257th entry.
public struct LoadReport: Hashable, Sendable {
  /// Share of the processors that is in use; above 1 beyond a limit that the server has set itself.
  public var cpuUtilization = 0.0
  /// Share of the memory that is in use: 0 to 1.
  public var memoryUtilization = 0.0
  /// Share of whatever the application is bound by; may be above 1. `weighted_round_robin` takes it before the processors'.
  public var applicationUtilization = 0.0
  /// Calls that the server answers each second, whoever they come from.
  public var queriesPerSecond = 0.0
  /// Calls a second of these that fail.
  public var errorsPerSecond = 0.0
  /// Shares of other resources, 0 to 1, by their names.
  public var utilization: [String: Double] = [:]
  /// What this one call has cost, in units of the application's own, by their names. Not in reports that come by themselves.
  public var requestCost: [String: Double] = [:]
  /// Whatever else the application wants to say, by its names.
  public var namedMetrics: [String: Double] = [:]

  /// A report that says nothing.
  public init() {}

  /// Entries of one map; more are left out.
  package static let maxEntries = 256
  /// Bytes of one name in UTF-8; entries with longer ones are left out.
  package static let maxNameBytes = 256
  /// Bytes of a report that are read; of more nothing is.
  package static let maxByteCount = 16 << 10
  /// Bytes of a report that is sent with a call's status, where a client takes 8 KiB in all as a rule.
  package static let maxSentByteCount = 4 << 10
  /// The trailer that a call's report comes in.
  package static let metadataKey = "endpoint-load-metrics-bin"
}

extension Metadata {
  /// The server's load report among a call's trailing metadata (gRFC A51); nil where it has sent none that can be read.
  public var loadReport: LoadReport? { self[binary: LoadReport.metadataKey].flatMap(LoadReport.init(protobuf:)) }
}

// MARK: - What makes sense of it

extension LoadReport {
  /// Without what makes no sense.
  package var sane: LoadReport {
    var sane = LoadReport()
    sane.cpuUtilization = LoadReport.amount(cpuUtilization)
    sane.memoryUtilization = LoadReport.share(memoryUtilization)
    sane.applicationUtilization = LoadReport.amount(applicationUtilization)
    sane.queriesPerSecond = LoadReport.amount(queriesPerSecond)
    sane.errorsPerSecond = LoadReport.amount(errorsPerSecond)
    sane.utilization = LoadReport.bounded(utilization) { 0...1 ~= $0 }
    sane.requestCost = LoadReport.bounded(requestCost, where: \.isFinite)
    sane.namedMetrics = LoadReport.bounded(namedMetrics, where: \.isFinite)
    return sane
  }

  private static func amount(_ value: Double) -> Double { value.isFinite && value > 0 ? value : 0 }
  private static func share(_ value: Double) -> Double { 0...1 ~= value ? value : 0 }

  private static func bounded(_ map: [String: Double], where isSane: (Double) -> Bool) -> [String: Double] {
    guard !map.isEmpty else { return map }
    let entries = map.filter { isSane($0.value) && $0.key.utf8.count <= maxNameBytes }
    guard entries.count > maxEntries else { return entries }
    return Dictionary(uniqueKeysWithValues: entries.sorted { $0.key < $1.key }.prefix(maxEntries).map { ($0, $1) })
  }

  /// Of each metric the other's where it has one: what a call reports over what its server does.
  package func merging(_ other: LoadReport) -> LoadReport {
    func either(_ own: Double, _ others: Double) -> Double { others == 0 ? own : others }
    var merged = self
    merged.cpuUtilization = either(cpuUtilization, other.cpuUtilization)
    merged.memoryUtilization = either(memoryUtilization, other.memoryUtilization)
    merged.applicationUtilization = either(applicationUtilization, other.applicationUtilization)
    merged.queriesPerSecond = either(queriesPerSecond, other.queriesPerSecond)
    merged.errorsPerSecond = either(errorsPerSecond, other.errorsPerSecond)
    merged.utilization.merge(other.utilization) { $1 }
    merged.requestCost.merge(other.requestCost) { $1 }
    merged.namedMetrics.merge(other.namedMetrics) { $1 }
    return merged
  }
}

// MARK: - On the wire

extension LoadReport {
  /// Reads an `OrcaLoadReport`; nil where the bytes are none, or more than 16 KiB. What it does not know it passes over.
  package init?(protobuf bytes: [UInt8]) {
    guard bytes.count <= LoadReport.maxByteCount else { return nil }
    self.init()
    var fields = WireFields(bytes[...])
    while let field = fields.next() {
      switch (field.number, field.value) {
      case (1, .fixed64): cpuUtilization = field.value.double ?? 0
      case (2, .fixed64): memoryUtilization = field.value.double ?? 0
      case (6, .fixed64): queriesPerSecond = field.value.double ?? 0
      case (7, .fixed64): errorsPerSecond = field.value.double ?? 0
      case (9, .fixed64): applicationUtilization = field.value.double ?? 0
      case (4, .bytes(let entry)):
        guard LoadReport.read(entry, into: &requestCost) else { return nil }
      case (5, .bytes(let entry)):
        guard LoadReport.read(entry, into: &utilization) else { return nil }
      case (8, .bytes(let entry)):
        guard LoadReport.read(entry, into: &namedMetrics) else { return nil }
      default: break
      }
    }
    guard !fields.isBroken else { return nil }
    self = sane
  }

  private static func read(_ entry: ArraySlice<UInt8>, into map: inout [String: Double]) -> Bool {
    var name: ArraySlice<UInt8> = []
    var value = 0.0
    var fields = WireFields(entry)
    while let field = fields.next() {
      switch (field.number, field.value) {
      case (1, .bytes(let bytes)): name = bytes
      case (2, .fixed64): value = field.value.double ?? 0
      default: break
      }
    }
    guard !fields.isBroken else { return false }
    // A text that is none is left out like a name that is too long.
    guard name.count <= maxNameBytes, let text = String(validating: name, as: UTF8.self) else { return true }
    if map[text] != nil || map.count < maxEntries { map[text] = value }
    return true
  }

  /// As an `OrcaLoadReport`, without what makes no sense. Entries of maps that don't fit are left out, in the order of their names.
  package func protobuf(atMost limit: Int = LoadReport.maxSentByteCount) -> [UInt8] {
    let sane = sane
    var writer = WireWriter()
    func write(_ value: Double, field: UInt64) { if value != 0 { writer.append(double: value, field: field) } }
    write(sane.cpuUtilization, field: 1)
    write(sane.memoryUtilization, field: 2)
    write(sane.queriesPerSecond, field: 6)
    write(sane.errorsPerSecond, field: 7)
    write(sane.applicationUtilization, field: 9)
    writer.write(sane.requestCost, field: 4, upTo: limit)
    writer.write(sane.utilization, field: 5, upTo: limit)
    writer.write(sane.namedMetrics, field: 8, upTo: limit)
    return writer.bytes
  }
}

extension WireWriter {
  fileprivate mutating func write(_ map: [String: Double], field: UInt64, upTo limit: Int) {
    for (name, value) in map.sorted(by: { $0.key < $1.key }) {
      var entry = WireWriter()
      entry.append(bytes: name.utf8, field: 1)
      entry.append(double: value, field: 2)
      // A tag, and two bytes for the length of such an entry.
      if bytes.count + entry.bytes.count + 3 <= limit { append(bytes: entry.bytes, field: field) }
    }
  }
}
