import ArgumentParser
import Volery

struct Probe: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "probe", abstract: "Makes UnaryCalls and prints one line of JSON for each.")

  @OptionGroup var flags: ChannelFlags
  @Option(name: .customLong("calls"), help: "One after another.") var calls = 1
  @Option(name: .customLong("parallel"), help: "All at once, after the others.") var parallel = 0
  @Option(name: .customLong("pause_ms")) var pause = 0
  @Option(name: .customLong("req")) var requestBytes = 271828
  @Option(name: .customLong("resp")) var responseBytes = 314159
  @Option(name: .customLong("metadata"), help: "KEY=VALUE; may be given often.") var metadata: [String] = []

  func run() async throws {
    let client = TestServiceClient(try flags.channel())
    for index in 0..<calls {
      await call(index, client)
      if pause > 0, index + 1 < calls { try await Task.sleep(for: .milliseconds(pause)) }
    }
    await withTaskGroup(of: Void.self) { group in
      for index in calls..<(calls + parallel) { group.addTask { await call(index, client) } }
    }
  }

  private func call(_ index: Int, _ client: TestServiceClient) async {
    var options = flags.callOptions()
    for pair in metadata {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      options.metadata.append(parts.count > 1 ? parts[1] : "", for: parts[0])
    }
    let request = SimpleRequest(
      responseSize: Int32(clamping: responseBytes), payload: Payload(body: [UInt8](repeating: 0, count: requestBytes)),
      fillServerID: true)
    let clock = ContinuousClock()
    let start = clock.now
    var code = 0
    var message = ""
    var response = SimpleResponse()
    var trailers = Metadata()
    do throws(StatusError) {
      let full = try await client.unaryCallResponse(to: request, options: options)
      response = full.message
      trailers = full.trailingMetadata
    } catch {
      code = error.code.rawValue
      message = error.message
      trailers = error.metadata
    }
    let milliseconds = start.duration(to: clock.now) / .milliseconds(1)
    let fields = trailers.compactMap { element -> String? in
      guard case .text(let value) = element.value else { return nil }
      return "\(jsonString(element.key)):\(jsonString(value))"
    }
    printLine(
      "{\"i\":\(index),\"code\":\(code),\"message\":\(jsonString(message)),\"size\":\(response.payload?.body.count ?? 0),"
        + "\"ms\":\(Int(milliseconds)),\"server_id\":\(jsonString(response.serverID)),"
        + "\"trailers\":{\(fields.joined(separator: ","))}}")
  }
}
