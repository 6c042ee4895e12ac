import CCares
import VoleryEventLoops
import VoleryPlatform
import VoleryTypes

/// What one question came to.
enum DNSReply: Sendable, Equatable {
  case message(DNSMessage)
  /// NXDOMAIN, or no record of this type.
  case none(String)
  /// A time-out, SERVFAIL, a malformed answer.
  case failed(String)
}

/// Asks DNS servers questions on c-ares: sends again, goes to the next server, and to TCP where an answer is too long for
/// a datagram. On its loop only.
///
/// One for each look-up, so that a changed resolv.conf counts at once and an answer that never comes is forgotten with its
/// sockets.
final class DNSClient {
  private let loop: EventLoop
  private var channel: ares_channel?
  private var polls: [ares_socket_t: PollWatch] = [:]
  private var timer: LoopTimer?
  private var isClosed = false
  /// What servers have said that had no answer, by the question's type.
  private var refusals: [DNSRecordType: DNSSockets.Refusal] = [:]

  private static let isLibraryReady = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS

  /// Blocks: c-ares reads the system's files. Not on the loop, to which the client goes afterwards.
  ///
  /// - Returns: Nil when c-ares can't be set up.
  static func make(for query: DNSQuery, configuration: ResolverConfiguration, on loop: EventLoop) -> DNSClient? {
    guard isLibraryReady else { return nil }
    let client = DNSClient(loop)
    return client.open(query, configuration) ? client : nil
  }

  private init(_ loop: EventLoop) { self.loop = loop }

  private func open(_ query: DNSQuery, _ configuration: ResolverConfiguration) -> Bool {
    var options = ares_options()
    options.timeout = Int32(configuration.timeout.components.seconds * 1000)
    options.tries = Int32(configuration.attempts)
    options.sock_state_cb = { context, socket, readable, writable in
      Unmanaged<DNSClient>.fromOpaque(context!).takeUnretainedValue().watch(socket, readable != 0, writable != 0)
    }
    options.sock_state_cb_data = Unmanaged.passUnretained(self).toOpaque()
    var mask = ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES
    let path = query.configurationPath == ResolverConfiguration.path ? nil : strdup(query.configurationPath)
    defer { free(path) }
    if let path {
      options.resolvconf_path = path
      mask |= ARES_OPT_RESOLVCONF
    }
    guard ares_init_options(&channel, &options, mask) == ARES_SUCCESS, let channel else {
      channel = nil
      return false
    }
    DNSSockets.install(in: channel, for: self)
    if let server = query.server { return ares_set_servers_ports_csv(channel, server) == ARES_SUCCESS }
    return true
  }

  deinit {
    if let channel { ares_destroy(channel) }
  }

  // MARK: Asking

  private final class Question: @unchecked Sendable {  // Isolation: handed over
    let client: DNSClient
    let type: DNSRecordType
    let answered: (DNSReply) -> Void

    init(_ client: DNSClient, _ type: DNSRecordType, _ answered: @escaping (DNSReply) -> Void) {
      self.client = client
      self.type = type
      self.answered = answered
    }
  }

  /// - Parameters:
  ///   - name: As it is to be asked, no search list.
  ///   - answered: Called once, on the loop, never from inside this function; not after `close`.
  func ask(_ name: String, _ type: DNSRecordType, _ answered: @escaping (DNSReply) -> Void) {
    guard let channel, !isClosed else { return }
    refusals[type] = nil
    let question = Unmanaged.passRetained(Question(self, type, answered)).toOpaque()
    ares_query(
      channel, name, 1, Int32(type.rawValue),
      { context, status, _, bytes, count in
        let question = Unmanaged<Question>.fromOpaque(context!).takeRetainedValue()
        question.client.received(question, status, UnsafeRawBufferPointer(start: bytes, count: Int(count)))
      }, question)
    armTimer()
  }

  private func received(_ question: Question, _ status: Int32, _ bytes: UnsafeRawBufferPointer) {
    let reply: DNSReply
    switch status {
    case ARES_SUCCESS: reply = DNSClient.read(bytes, question.type)
    case ARES_ENOTFOUND: reply = .none("NXDOMAIN")
    case ARES_EBADNAME: reply = .none("not a DNS name")
    case ARES_ENODATA: reply = .none("no \(question.type) record")
    case ARES_EDESTRUCTION, ARES_ECANCELLED: return
    default: reply = .failed(failure(status, question.type))
    }
    // c-ares may answer from inside its own calls: its user must not.
    loop.execute { [self] in
      if !isClosed { question.answered(reply) }
    }
  }

  /// Bytes have come in on one of the channel's sockets.
  func received(_ bytes: UnsafeRawBufferPointer, on socket: ares_socket_t) {
    guard let (type, code) = DNSSockets.refusal(bytes) else { return }
    refusals[type] = DNSSockets.Refusal(code: code, server: DNSSockets.server(of: socket))
  }

  private func failure(_ status: Int32, _ type: DNSRecordType) -> String {
    let refusal = refusals[type].map { "\($0.code) from \($0.server)" }
    if status == ARES_ETIMEOUT {
      return "no answer from the DNS server" + (refusal.map { ", and \($0)" } ?? "")
    }
    return refusal ?? String(cString: ares_strerror(status))
  }

  private static func read(_ bytes: UnsafeRawBufferPointer, _ type: DNSRecordType) -> DNSReply {
    guard let message = try? DNSMessage(parsing: bytes, for: type) else { return .failed("a malformed answer") }
    return message.answers.isEmpty ? .none("no \(type) record") : .message(message)
  }

  /// What /etc/hosts says; nil where it does not know the name. Blocks.
  func hostsFile(_ name: String, _ type: DNSRecordType) -> [String]? {
    guard let channel else { return nil }
    var host: UnsafeMutablePointer<hostent>?
    let code = ares_gethostbyname_file(channel, name, type == .a ? AF_INET : AF_INET6, &host)
    guard code == ARES_SUCCESS, let host else { return nil }
    defer { ares_free_hostent(host) }
    var addresses: [String] = []
    var entry = host.pointee.h_addr_list
    while let address = entry?.pointee {
      if let text = AddressLiteral.text(of: address, family: host.pointee.h_addrtype) { addresses.append(text) }
      entry = entry?.advanced(by: 1)
    }
    return addresses.isEmpty ? nil : addresses
  }

  // MARK: Sockets and time

  private func watch(_ socket: ares_socket_t, _ isReadable: Bool, _ isWritable: Bool) {
    var events: PollWatch.Events = []
    if isReadable { events.insert(.readable) }
    if isWritable { events.insert(.writable) }
    guard !events.isEmpty else {
      polls.removeValue(forKey: socket)?.close()
      return
    }
    // Where there is none, the question runs out of time.
    guard let poll = polls[socket] ?? (try? PollWatch(socket, on: loop)) else { return }
    polls[socket] = poll
    poll.start(events) { [weak self] events in
      self?.process(
        events.contains(.readable) ? socket : ARES_SOCKET_BAD, events.contains(.writable) ? socket : ARES_SOCKET_BAD)
    }
  }

  private func process(_ readable: ares_socket_t, _ writable: ares_socket_t) {
    guard let channel, !isClosed else { return }
    ares_process_fd(channel, readable, writable)
    armTimer()
  }

  private func armTimer() {
    timer?.cancel()
    guard let channel, !isClosed else { return }
    var time = timeval()
    guard ares_timeout(channel, nil, &time) != nil else { return }
    let delay = Duration.seconds(Int64(time.tv_sec)) + .microseconds(Int64(time.tv_usec)) + .milliseconds(1)
    timer = loop.schedule(after: delay) { [weak self] in self?.process(ARES_SOCKET_BAD, ARES_SOCKET_BAD) }
  }

  /// Forgets what has not been answered.
  func close() {
    timer?.cancel()
    guard !isClosed else { return }
    isClosed = true
    // Not from inside one of the channel's own callbacks.
    loop.execute { [self] in
      ares_destroy(channel.take())
      for poll in polls.values { poll.close() }
      polls = [:]
    }
  }
}

extension DNSClient: @unchecked Sendable {}  // Isolation: loop
