import Foundation
import TestSupport
import Testing
import Volery
import VoleryMetrics
import VoleryPrometheus

/// What the gRFCs say, and what a scrape reads.
@Suite("Metrics as they are read") struct ExpositionTests {
  /// Names, units, kinds and labels, as in the gRFCs' own tables.
  static let specified: [String: (kind: MetricDescription.Kind, unit: String, labels: [String])] = [
    "grpc.client.attempt.started": (.counter, "{attempt}", ["grpc.method", "grpc.target"]),
    "grpc.client.attempt.duration": (.histogram, "s", ["grpc.method", "grpc.target", "grpc.status"]),
    "grpc.client.attempt.sent_total_compressed_message_size":
      (.histogram, "By", ["grpc.method", "grpc.target", "grpc.status"]),
    "grpc.client.attempt.rcvd_total_compressed_message_size":
      (.histogram, "By", ["grpc.method", "grpc.target", "grpc.status"]),
    "grpc.client.call.duration": (.histogram, "s", ["grpc.method", "grpc.target", "grpc.status"]),
    "grpc.server.call.started": (.counter, "{call}", ["grpc.method"]),
    "grpc.server.call.duration": (.histogram, "s", ["grpc.method", "grpc.status"]),
    "grpc.server.call.sent_total_compressed_message_size": (.histogram, "By", ["grpc.method", "grpc.status"]),
    "grpc.server.call.rcvd_total_compressed_message_size": (.histogram, "By", ["grpc.method", "grpc.status"]),
    "grpc.client.call.retries": (.histogram, "{retry}", ["grpc.method", "grpc.target"]),
    "grpc.client.call.transparent_retries": (.histogram, "{transparent_retry}", ["grpc.method", "grpc.target"]),
    "grpc.client.call.hedges": (.histogram, "{hedge}", ["grpc.method", "grpc.target"]),
    "grpc.client.call.retry_delay": (.histogram, "s", ["grpc.method", "grpc.target"]),
    "grpc.subchannel.disconnections": (.counter, "{disconnection}", ["grpc.target"]),
    "grpc.subchannel.connection_attempts_succeeded": (.counter, "{attempt}", ["grpc.target"]),
    "grpc.subchannel.connection_attempts_failed": (.counter, "{attempt}", ["grpc.target"]),
    "grpc.subchannel.open_connections": (.upDownCounter, "{connection}", ["grpc.target"]),
    "grpc.xds_client.connected": (.gauge, "{bool}", ["grpc.target", "grpc.xds.server"]),
    "grpc.xds_client.server_failure": (.counter, "{failure}", ["grpc.target", "grpc.xds.server"]),
    "grpc.xds_client.resource_updates_valid":
      (.counter, "{resource}", ["grpc.target", "grpc.xds.server", "grpc.xds.resource_type"]),
    "grpc.xds_client.resource_updates_invalid":
      (.counter, "{resource}", ["grpc.target", "grpc.xds.server", "grpc.xds.resource_type"]),
    "grpc.xds_client.resources":
      (
        .gauge, "{resource}",
        ["grpc.target", "grpc.xds.authority", "grpc.xds.cache_state", "grpc.xds.resource_type"]
      ),
    "grpc.lb.wrr.rr_fallback": (.counter, "{update}", ["grpc.target"]),
    "grpc.lb.wrr.endpoint_weight_not_yet_usable": (.counter, "{endpoint}", ["grpc.target"]),
    "grpc.lb.wrr.endpoint_weight_stale": (.counter, "{endpoint}", ["grpc.target"]),
    "grpc.lb.wrr.endpoint_weights": (.histogram, "{weight}", ["grpc.target"]),
    "grpc.lb.outlier_detection.ejections_enforced":
      (.counter, "{ejection}", ["grpc.target", "grpc.lb.outlier_detection.detection_method"]),
    "grpc.lb.outlier_detection.ejections_unenforced":
      (
        .counter, "{ejection}",
        [
          "grpc.target", "grpc.lb.outlier_detection.detection_method", "grpc.lb.outlier_detection.unenforced_reason",
        ]
      ),
  ]

  @Test("every metric of the gRFCs has its name, unit, kind and labels; no other one is named like them")
  func specification() {
    for (name, (kind, unit, labels)) in Self.specified {
      let description = MetricDescription.named(name)
      #expect(description?.kind == kind && description?.unit == unit && description?.labels == labels, "\(name)")
    }
    for description in MetricDescription.all where Self.specified[description.name] == nil {
      #expect(["volery.", "rpc."].contains { description.name.hasPrefix($0) }, "\(description.name)")
    }
  }

  @Test(
    "the custom label is of the metrics that gRFC A108 names, of what an attempt waits besides, and of no other one")
  func customLabel() {
    let named = [
      "call.duration", "attempt.started", "attempt.duration", "attempt.sent_total_compressed_message_size",
      "attempt.rcvd_total_compressed_message_size", "call.retries", "call.transparent_retries", "call.hedges",
      "call.retry_delay",
    ].map { "grpc.client.\($0)" }
    #expect(
      Set(MetricDescription.all.filter { $0.optionalLabels.contains(.custom) }.map(\.name))
        == Set(named + ["volery.client.attempt.queue_time"]))
  }

  @Test("Docs/Metrics.md has them all, with their units and labels") func page() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let page = try String(contentsOf: root.appendingPathComponent("Docs/Metrics.md"), encoding: .utf8)
    for metric in MetricDescription.all {
      let labels = metric.labels.map { "`\($0)`" } + metric.optionalLabels.map { "(`\($0.rawValue)`)" }
      let row = "| `\(metric.name)` | \(metric.kind.word), `\(metric.unit)` | \(labels.joined(separator: ", ")) | "
      #expect(page.contains("\(row)\(metric.help) |"), "\(row)\(metric.help) |")
    }
  }

  @Test("Prometheus' own parser reads the text, and finds units, bounds and escaped labels") func scrape() async throws
  {
    let backend = PrometheusBackend()
    var options = MetricsOptions()
    options.targetLabel = { _ in "a\\b\"c\nd" }
    let metrics = MetricsObserver(factory: backend, options: options)
    try await Subject.run(server: [metrics], client: [metrics]) { channel in
      for _ in 0..<3 { _ = try await channel.unary(Subject.echo, [1], options: Subject.timely) }
    }
    try await eventually("the server has counted") { backend.value("grpc.server.call.duration") == 3 }
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("volery-\(UUID().uuidString).prom")
    defer { try? FileManager.default.removeItem(at: file) }
    try backend.text.write(to: file, atomically: true, encoding: .utf8)
    let parse = """
      import sys
      from prometheus_client.parser import text_string_to_metric_families
      for family in text_string_to_metric_families(open(sys.argv[1]).read()):
          for sample in family.samples:
              print(family.type, sample.name, sorted(sample.labels.items()), sample.value)
      """
    let (output, code) = try ChildProcess.run([PythonTraceTests.python(), "-c", parse, file.path])
    #expect(code == 0)
    for line in [
      "counter grpc_server_call_started_total [('grpc_method', 'test.Subject/Echo')] 3\n",
      "histogram grpc_server_call_duration_seconds_count [('grpc_method', 'test.Subject/Echo'), ('grpc_status', 'OK')] 3\n",
      "histogram grpc_server_call_duration_seconds_bucket [('grpc_method', 'test.Subject/Echo'), ('grpc_status', 'OK'), ('le', '100')] 3\n",
      "histogram grpc_server_call_rcvd_total_compressed_message_size_bytes_sum [('grpc_method', 'test.Subject/Echo'), ('grpc_status', 'OK')] 3\n",
      "counter grpc_client_attempt_started_total [('grpc_method', 'test.Subject/Echo'), ('grpc_target', 'a\\\\b\"c\\nd')] 3\n",
    ] {
      #expect(output.contains(line), "\(line) is not in \(output)")
    }
  }
}

extension MetricDescription.Kind {
  /// As the page writes it.
  var word: String {
    switch self {
    case .counter: "counter"
    case .upDownCounter: "up-down"
    case .gauge: "gauge"
    case .histogram: "histogram"
    }
  }
}
