import ArgumentParser
import Volery

/// Calls the methods that no .proto has, and prints what came of it as a line of JSON.
struct BytesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "bytes")

  enum Work: String, ExpressibleByArgument, CaseIterable {
    /// Calls of all four kinds on each channel, all channels at once.
    case kinds
    /// One stream, on which messages of 1 MiB go to the server and come back.
    case flood
    /// Metadata there and back, and what the server has left of the time.
    case reflect
  }

  @Argument var work: Work
  @Argument var target: String
  @Option(help: "Channels, each with connections of its own.") var channels = 1
  @Option(help: "Calls of each kind on each of them.") var calls = 1
  @Option(help: "Messages of 1 MiB.") var megabytes = 1
  @Option(help: "Milliseconds; each call's deadline.") var timeout: Int?

  private var options: CallOptions {
    CallOptions(timeout: timeout.map { .milliseconds($0) } ?? .seconds(60), waitForReady: true)
  }

  func run() async throws {
    switch work {
    case .kinds: try await callAllKinds()
    case .flood: try await flood()
    case .reflect: try await reflect()
    }
  }

  private func callAllKinds() async throws {
    let all = try (0..<channels).map { _ in try Channel(target) }
    let failures = await withTaskGroup(of: [String].self) { group in
      for channel in all {
        group.addTask {
          var failures: [String] = []
          for _ in 0..<calls {
            for kind in 0..<4 {
              do { try await call(kind, on: channel) } catch { failures.append("\(error)") }
            }
          }
          return failures
        }
      }
      return await group.reduce(into: []) { $0 += $1 }
    }
    for text in failures.prefix(3) { writeLine("FAILED \(text)") }
    writeLine("{\"calls\": \(channels * calls * 4), \"failed\": \(failures.count)}")
  }

  private struct WrongAnswer: Error { let kind: Int }

  private func call(_ kind: Int, on channel: Channel) async throws {
    let message = [UInt8](repeating: 7, count: 1000)
    let isRight: Bool
    switch kind {
    case 0: isRight = try await channel.unary(LabBytes.unary, message, options: options).message == message
    case 1:
      var count = 0
      for try await answer in channel.serverStreaming(LabBytes.download, message, options: options) {
        count += answer == message ? 1 : 0
      }
      isRight = count == 10
    case 2:
      let call = channel.clientStreaming(LabBytes.upload, options: options)
      for _ in 0..<10 { try await call.send(message) }
      call.finish()
      isRight = try await call.response == Array("10000".utf8)
    default:
      let call = channel.bidirectional(LabBytes.chat, options: options)
      var answers = call.makeAsyncIterator()
      var count = 0
      for _ in 0..<10 {
        try await call.send(message)
        count += try await answers.next() == message ? 1 : 0
      }
      call.finish()
      let end = try await answers.next()
      isRight = count == 10 && end == nil
    }
    guard isRight else { throw WrongAnswer(kind: kind) }
  }

  private func flood() async throws {
    let call = try Channel(target).bidirectional(LabBytes.chat, options: CallOptions(waitForReady: true))
    let message = [UInt8](repeating: 7, count: 1 << 20)
    async let sending: Void = {
      for _ in 0..<megabytes { try await call.send(message) }
      call.finish()
    }()
    var count = 0
    for try await answer in call where answer == message { count += 1 }
    try await sending
    writeLine("{\"megabytes\": \(count)}")
  }

  private func reflect() async throws {
    let text = String((0..<8192).map { Character(UnicodeScalar(UInt8(33 + $0 % 94))) })
    let binary: [[UInt8]] = [Array(0...255), [0], []]
    var metadata: Metadata = [LabBytes.textKey: text]
    for value in binary { metadata.append(binary: value, for: LabBytes.binaryKey) }
    var options = options
    options.metadata = metadata
    let response = try await Channel(target).unary(LabBytes.reflect, [], options: options)
    let isTextSame = response.trailingMetadata.values(LabBytes.textKey) == [text]
    let isBinarySame = response.trailingMetadata.binaryValues(LabBytes.binaryKey) == binary
    let left = String(decoding: response.message, as: UTF8.self)
    writeLine("{\"text\": \(isTextSame), \"binary\": \(isBinarySame), \"left\": \"\(left)\"}")
  }
}
