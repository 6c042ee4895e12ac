import Tracing
import VoleryTypes

/// Writes a trace's context into metadata. What can't travel there (a value that is not ASCII, a name of gRPC's own) is left out: a
/// call must not fail for its trace.
struct MetadataInjector: Injector {
  func inject(_ value: String, forKey key: String, into carrier: inout Metadata) {
    var entry = Metadata()
    // gRPC's own propagator has bytes in base64; others have no keys of this kind.
    guard !key.hasSuffix("-bin") else { return }
    entry.append(value, for: key)
    guard entry.violation == nil else { return }
    carrier.removeAll(key)
    carrier.append(contentsOf: entry)
  }
}

/// Reads a trace's context.
struct MetadataExtractor: Extractor {
  func extract(key: String, from carrier: Metadata) -> String? {
    guard !key.lowercased().hasSuffix("-bin") else { return nil }
    // Several values of a key are one with commas (tracestate, baggage), as in HTTP.
    let values = carrier.values(key)
    return values.isEmpty ? nil : values.joined(separator: ",")
  }
}
