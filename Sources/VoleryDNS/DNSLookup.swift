import CCares
import VoleryEventLoops
import VoleryTypes

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What one question (A or AAAA) came to.
enum DNSAnswer: Sendable, Equatable {
  case addresses([String])
  /// NXDOMAIN, or no record of this type.
  case none(String)
  /// A time-out, SERVFAIL, a malformed answer.
  case failed(String)
}

/// One look-up of a name: A and AAAA asked separately, each told as it comes. On its loop only.
///
/// A c-ares channel of its own each time, so that a changed resolv.conf counts at once and an answer that never comes is
/// forgotten with its sockets.
final class DNSLookup {
  enum Family: Int32, Sendable {
    case ipv4 = 1
    case ipv6 = 28
  }

  private let loop: EventLoop
  private let answered: (Family, DNSAnswer) -> Void
  private var channel: ares_channel?
  private var polls: [ares_socket_t: PollWatch] = [:]
  private var timer: LoopTimer?
  private var isCancelled = false

  /// - Parameters:
  ///   - server: `ip:port` to ask instead of those of resolv.conf.
  ///   - answered: Called once for each family, on the loop, never from inside this initializer.
  init(name: String, server: String?, on loop: EventLoop, answered: @escaping (Family, DNSAnswer) -> Void) {
    self.loop = loop
    self.answered = answered
    loop.execute { [self] in start(name, server) }
  }

  private func start(_ name: String, _ server: String?) {
    guard !isCancelled else { return }
    guard DNSLookup.isLibraryReady, let channel = makeChannel(server) else {
      answered(.ipv4, .failed("c-ares can't be set up"))
      return answered(.ipv6, .failed("c-ares can't be set up"))
    }
    self.channel = channel
    ask(name, .ipv4, channel)
    ask(name, .ipv6, channel)
    armTimer()
  }

  private static let isLibraryReady = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS

  private func makeChannel(_ server: String?) -> ares_channel? {
    var options = ares_options()
    options.sock_state_cb = { context, socket, readable, writable in
      Unmanaged<DNSLookup>.fromOpaque(context!).takeUnretainedValue().watch(socket, readable != 0, writable != 0)
    }
    options.sock_state_cb_data = Unmanaged.passUnretained(self).toOpaque()
    var channel: ares_channel?
    guard ares_init_options(&channel, &options, ARES_OPT_SOCK_STATE_CB) == ARES_SUCCESS else { return nil }
    if let server, ares_set_servers_ports_csv(channel, server) != ARES_SUCCESS {
      ares_destroy(channel)
      return nil
    }
    return channel
  }

  // MARK: Asking

  private final class Question {
    let lookup: DNSLookup
    let family: Family
    init(_ lookup: DNSLookup, _ family: Family) {
      self.lookup = lookup
      self.family = family
    }
  }

  private func ask(_ name: String, _ family: Family, _ channel: ares_channel) {
    if let local = hostsFile(name, family, channel) { return finish(family, .addresses(local)) }
    let question = Unmanaged.passRetained(Question(self, family)).toOpaque()
    ares_search(
      channel, name, 1, family.rawValue,
      { context, status, _, bytes, count in
        let question = Unmanaged<Question>.fromOpaque(context!).takeRetainedValue()
        question.lookup.received(question.family, status, bytes, count)
      }, question)
  }

  /// /etc/hosts comes first, as everywhere else.
  private func hostsFile(_ name: String, _ family: Family, _ channel: ares_channel) -> [String]? {
    var host: UnsafeMutablePointer<hostent>?
    let code = ares_gethostbyname_file(channel, name, family == .ipv4 ? AF_INET : AF_INET6, &host)
    guard code == ARES_SUCCESS, let host else { return nil }
    defer { ares_free_hostent(host) }
    var addresses: [String] = []
    var entry = host.pointee.h_addr_list
    while let address = entry?.pointee {
      if let text = DNSLookup.text(host.pointee.h_addrtype, address) { addresses.append(text) }
      entry = entry?.advanced(by: 1)
    }
    return addresses.isEmpty ? nil : addresses
  }

  private func received(_ family: Family, _ status: Int32, _ bytes: UnsafePointer<UInt8>?, _ count: Int32) {
    guard !isCancelled else { return }
    switch status {
    case ARES_SUCCESS: finish(family, DNSLookup.parse(family, bytes, count))
    case ARES_ENOTFOUND: finish(family, .none("NXDOMAIN"))
    case ARES_ENODATA: finish(family, .none("no \(family == .ipv4 ? "A" : "AAAA") record"))
    case ARES_EDESTRUCTION, ARES_ECANCELLED: return
    default: finish(family, .failed(String(cString: ares_strerror(status))))
    }
  }

  private func finish(_ family: Family, _ answer: DNSAnswer) {
    // c-ares may answer from inside its own calls: its user must not.
    loop.execute { [self] in
      if !isCancelled { answered(family, answer) }
    }
  }

  /// The most addresses that are taken from an answer; 64 KiB of DNS hold about 4,000.
  private static let maxAddresses: Int32 = 4096

  private static func parse(_ family: Family, _ bytes: UnsafePointer<UInt8>?, _ count: Int32) -> DNSAnswer {
    var found = maxAddresses
    var addresses: [String] = []
    let code: Int32
    switch family {
    case .ipv4:
      let records = UnsafeMutablePointer<ares_addrttl>.allocate(capacity: Int(maxAddresses))
      defer { records.deallocate() }
      code = ares_parse_a_reply(bytes, count, nil, records, &found)
      for index in 0..<max(0, Int(found)) where code == 0 {
        text(AF_INET, &records[index].ipaddr).map { addresses.append($0) }
      }
    case .ipv6:
      let records = UnsafeMutablePointer<ares_addr6ttl>.allocate(capacity: Int(maxAddresses))
      defer { records.deallocate() }
      code = ares_parse_aaaa_reply(bytes, count, nil, records, &found)
      for index in 0..<max(0, Int(found)) where code == 0 {
        text(AF_INET6, &records[index].ip6addr).map { addresses.append($0) }
      }
    }
    if code == ARES_ENODATA || (code == 0 && addresses.isEmpty) {
      return .none("no \(family == .ipv4 ? "A" : "AAAA") record")
    }
    return code == 0 ? .addresses(addresses) : .failed(String(cString: ares_strerror(code)))
  }

  private static func text(_ family: Int32, _ address: UnsafeRawPointer) -> String? {
    var buffer = [CChar](repeating: 0, count: 64)
    guard inet_ntop(family, address, &buffer, 64) != nil else { return nil }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
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
    let poll = polls[socket] ?? PollWatch(socket, on: loop)
    polls[socket] = poll
    poll.start(events) { [weak self] events in
      self?.process(
        events.contains(.readable) ? socket : ARES_SOCKET_BAD, events.contains(.writable) ? socket : ARES_SOCKET_BAD)
    }
  }

  private func process(_ readable: ares_socket_t, _ writable: ares_socket_t) {
    guard let channel else { return }
    ares_process_fd(channel, readable, writable)
    armTimer()
  }

  private func armTimer() {
    timer?.cancel()
    guard let channel else { return }
    var time = timeval()
    guard ares_timeout(channel, nil, &time) != nil else { return }
    let delay = Duration.seconds(Int64(time.tv_sec)) + .microseconds(Int64(time.tv_usec)) + .milliseconds(1)
    timer = loop.schedule(after: delay) { [weak self] in self?.process(ARES_SOCKET_BAD, ARES_SOCKET_BAD) }
  }

  /// Forgets what has not been answered.
  func cancel() {
    isCancelled = true
    timer?.cancel()
    // Not from inside one of the channel's own callbacks.
    loop.execute { [self] in
      guard let channel = channel.take() else { return }
      ares_destroy(channel)
      for poll in polls.values { poll.close() }
      polls = [:]
    }
  }
}

extension DNSLookup: @unchecked Sendable {}
