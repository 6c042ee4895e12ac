import Synchronization
public import VoleryTypes

/// What a process says of its load, until it says something else (gRFC A51's machine-wide recording). Any thread.
///
///     let load = LoadRecorder()
///     serverOptions.loadRecorder = load                                    // with each call's status
///     let server = Server(services: [Orders(), LoadReporting(load)])       // by itself, to clients that watch
///     load.update { $0.cpuUtilization = 0.4; $0.queriesPerSecond = 1200 }  // as often as it is measured
public final class LoadRecorder: Sendable {
  private struct State {
    var report: LoadReport
    /// As calls send it; nil: to be made.
    var encoded: [UInt8]?
  }

  private let state: Mutex<State>

  /// Says nothing, unless it is given a report to begin with.
  public init(_ report: LoadReport = LoadReport()) { state = Mutex(State(report: report)) }

  /// What it says now. `requestCost` is a call's own, and not sent from here.
  public var report: LoadReport {
    get { state.withLock { $0.report } }
    set { state.withLock { $0 = State(report: newValue) } }
  }

  /// Changes some of it at once. `change` must not use the recorder.
  public func update(_ change: (inout LoadReport) -> Void) {
    state.withLock { state in
      change(&state.report)
      state.encoded = nil
    }
  }

  /// What a call sends: what its handler has recorded, over what the process says. Empty: nothing to say.
  func encoded(with own: LoadReport?) -> [UInt8] {
    guard let own else { return encoded() }
    var report = self.report
    report.requestCost = [:]
    return report.merging(own).protobuf()
  }

  private func encoded() -> [UInt8] {
    state.withLock { state in
      if let encoded = state.encoded { return encoded }
      var report = state.report
      report.requestCost = [:]
      let encoded = report.protobuf()
      state.encoded = encoded
      return encoded
    }
  }
}

private enum LoadReportKey: ServerContextKey { typealias Value = LoadReport }

// What a handler says of its call's load.
extension ServerContext {
  /// What this call has cost, and of the server's load what is known here: sent with the call's status, over what
  /// `ServerOptions.loadRecorder` says (gRFC A51). Goes nowhere where the server has no recorder.
  ///
  ///     context.loadReport.requestCost["rows"] = 3487
  ///
  /// Of two tasks that change it at the same time one may overwrite the other's.
  public var loadReport: LoadReport {
    get { self[LoadReportKey.self] ?? LoadReport() }
    nonmutating set { self[LoadReportKey.self] = newValue }
  }
}

extension ServerCall {
  /// What the handler has not said itself.
  func addLoadReport(of recorder: LoadRecorder, to trailing: inout Metadata) {
    guard trailing[binary: LoadReport.metadataKey] == nil else { return }
    let bytes = recorder.encoded(with: ServerContext(self)[LoadReportKey.self])
    if !bytes.isEmpty { trailing.append(binary: bytes, for: LoadReport.metadataKey) }
  }
}
