/// Asks for one record type of one name after another until one exists. On its loop only.
final class RecordSearch {
  private let client: DNSClient
  private let type: DNSRecordType
  private let answered: (DNSReply) -> Void
  private var remaining: ArraySlice<String> = []
  private var failure: DNSReply?

  init(_ client: DNSClient, _ type: DNSRecordType, answered: @escaping (DNSReply) -> Void) {
    self.client = client
    self.type = type
    self.answered = answered
  }

  func start(_ names: [String]) {
    remaining = names[...]
    askNext()
  }

  private func askNext() {
    guard let name = remaining.popFirst() else { return }
    client.ask(name, type) { [self] reply in
      if case .failed = reply { failure = failure ?? reply }
      if case .message = reply { return answered(reply) }
      if remaining.isEmpty { answered(failure ?? reply) } else { askNext() }
    }
  }
}
