import VoleryTypes

/// Asks for A and AAAA of one name after another until one exists; the search list is done with as soon as either family
/// is found. On its loop only.
///
/// A name that could not be asked (a time-out, SERVFAIL) does not end the search, as in every other resolver, unless it is
/// the one that was found before: a server that stumbles must not lead a client to another name's servers.
final class AddressSearch {
  private let client: DNSClient
  private let foundBefore: String?
  private let answered: (DNSPart, DNSAnswer, _ name: String) -> Void
  private var remaining: ArraySlice<String> = []
  private var replies: [DNSPart: DNSAnswer] = [:]
  private var isDecided = false
  /// What went wrong with earlier names.
  private var failures: [DNSPart: DNSAnswer] = [:]

  /// - Parameter answered: Called once for each family.
  init(
    _ client: DNSClient, foundBefore: String? = nil,
    answered: @escaping (DNSPart, DNSAnswer, _ name: String) -> Void
  ) {
    self.client = client
    self.foundBefore = foundBefore
    self.answered = answered
  }

  func start(_ names: [String]) {
    remaining = names[...]
    askNext()
  }

  private func askNext() {
    guard let name = remaining.popFirst() else { return }
    replies = [:]
    client.ask(name, .a) { [self] in received(.ipv4, AddressSearch.addresses($0), name) }
    client.ask(name, .aaaa) { [self] in received(.ipv6, AddressSearch.addresses($0), name) }
  }

  private static func addresses(_ reply: DNSReply) -> DNSAnswer {
    switch reply {
    case .none(let reason): return .none(reason)
    case .failed(let reason): return .failed(reason)
    case .message(let message):
      return .addresses(
        message.answers.compactMap { record in
          if case .address(let text) = record { text } else { nil }
        })
    }
  }

  private func received(_ part: DNSPart, _ answer: DNSAnswer, _ name: String) {
    replies[part] = answer
    if isDecided { return answered(part, answer, name) }
    if answer.isFound {
      isDecided = true
      for (part, answer) in replies { answered(part, answer, name) }
      return
    }
    guard replies.count == 2 else { return }
    let failed = replies.filter { if case .failed = $0.value { true } else { false } }
    failures.merge(failed) { first, _ in first }
    guard !remaining.isEmpty, failed.isEmpty || name != foundBefore else {
      for (part, answer) in replies { answered(part, failures[part] ?? answer, name) }
      return
    }
    askNext()
  }
}
