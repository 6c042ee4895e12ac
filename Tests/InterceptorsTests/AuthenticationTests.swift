import TestSupport
import Testing
import Volery
import VoleryInterceptors
import VoleryTesting

@Suite("Authentication", .timeLimit(.minutes(1))) struct AuthenticationTests {
  struct User: Equatable { var name: String }
  struct BadToken: Error, CustomStringConvertible { let description = "signature of key 17 is wrong" }

  static let whoAmI: Desk.Visit = { try $0.caller(User.self).name }

  static func byToken(_ recorder: LogRecorder = LogRecorder()) -> Authentication<User> {
    Authentication(logger: recorder.logger) { request in
      switch request.bearerToken {
      case "t-ann": return User(name: "ann")
      case "t-broken": throw BadToken()
      case "t-banned": throw StatusError(.permissionDenied, "ann may not")
      default: throw StatusError(.unauthenticated, "a known token is needed")
      }
    }
  }

  static func token(_ values: String...) -> CallOptions {
    var metadata = Metadata()
    for value in values { metadata.append(value, for: "authorization") }
    return CallOptions(metadata: metadata, timeout: .seconds(20))
  }

  @Test("gives the handler of every kind of call its caller, by type", arguments: Place.allCases)
  func known(_ place: Place) async throws {
    try await place.with([Self.byToken()], Self.whoAmI) { channel in
      #expect(await channel.callDesk(Self.token("Bearer t-ann")) == Desk.names.map { _ in .answer("ann") })
      #expect(await channel.callDesk("Ask", Self.token("bearer  t-ann")) == .answer("ann"))
    }
  }

  @Test(
    "lets nobody else in, and says of its own errors nothing but that", arguments: Place.allCases,
    [
      ([], StatusCode.unauthenticated, "a known token is needed"),
      (["Basic t-ann"], .unauthenticated, "a known token is needed"), (["Bearer "], .unauthenticated, "a known token"),
      (["Bearer t-ann", "Bearer t-ann"], .unauthenticated, "a known token is needed"),
      (["Bearer t-banned"], .permissionDenied, "ann may not"),
      (["Bearer t-broken"], .unauthenticated, "the caller's credentials are not accepted"),
    ])
  func refused(_ place: Place, _ refusal: ([String], StatusCode, String)) async throws {
    let recorder = LogRecorder()
    try await place.with(
      [Self.byToken(recorder)],
      { _ in
        Issue.record("a handler was run")
        return ""
      }
    ) { channel in
      var options = CallOptions(timeout: .seconds(20))
      for value in refusal.0 { options.metadata.append(value, for: "authorization") }
      for outcome in await channel.callDesk(options) {
        guard case .failure(let code, let message) = outcome else {
          Issue.record("\(outcome)")
          return
        }
        #expect(code == refusal.1 && message.hasPrefix(refusal.2), "\(outcome)")
      }
    }
    let isLogged = refusal.0 == ["Bearer t-broken"]
    #expect(recorder.lines.count == (isLogged ? 4 : 0))
    if isLogged {
      #expect(recorder.lines[0].contains("signature of key 17") && !recorder.lines[0].contains("t-broken"))
    }
  }

  @Test("of methods that it does not stand before lets nobody be taken for known", arguments: Place.allCases)
  func forgotten(_ place: Place) async throws {
    try await place.with([Self.byToken().only(methods: ["/test.Desk/List"])], Self.whoAmI) { channel in
      let outcomes = await channel.callDesk(Self.token("Bearer t-ann"))
      #expect(outcomes[1] == .answer("ann"))
      let nobody = Desk.names.map {
        Outcome.failure(.unauthenticated, "nobody has found out who calls /test.Desk/\($0)")
      }
      #expect([outcomes[0], outcomes[2], outcomes[3]] == [nobody[0], nobody[2], nobody[3]])
    }
  }

  @Test("callers of two types don't hide each other") func types() async throws {
    struct Tenant { var id: Int }
    let tenants = Authentication { request in
      guard let id = request.metadata["x-tenant"].flatMap({ Int($0) }) else {
        throw StatusError(.unauthenticated, "whose?")
      }
      return Tenant(id: id)
    }
    let both: Desk.Visit = { "\(try $0.caller(User.self).name) \(try $0.caller(Tenant.self).id)" }
    try await Place.inProcess.with([Self.byToken(), tenants], both) { channel in
      var options = Self.token("Bearer t-ann")
      options.metadata["x-tenant"] = "9"
      #expect(await channel.callDesk("Ask", options) == .answer("ann 9"))
    }
  }

  @Test("knows a caller by the certificate, where TLS is mutual") func identity() async throws {
    var options = ServerOptions()
    options.interceptors = [
      Authentication { request in
        guard let id = request.identity?.spiffeID else { throw StatusError(.unauthenticated, "no certificate") }
        return User(name: id)
      }
    ]
    let roots = TLSRoots.file(TestCertificates.path("ca.crt"))
    let server = Server(
      services: [Desk(Self.whoAmI)],
      credentials: .tls(
        certificate: .file(TestCertificates.path("server.crt")), key: .file(TestCertificates.path("server.key")),
        clients: .optional(roots)),
      options: options)
    defer { server.shutDown() }
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    let known = try Channel(
      "ipv4:\(address)",
      credentials: .tls(
        roots: roots,
        identity: .pair(
          certificate: .file(TestCertificates.path("client.crt")), key: .file(TestCertificates.path("client.key")))))
    #expect(await known.callDesk() == Desk.names.map { _ in .answer("spiffe://volery.test/ns/shop/sa/orders") })
    let stranger = try Channel("ipv4:\(address)", credentials: .tls(roots: roots))
    #expect(await stranger.callDesk("Ask") == .failure(.unauthenticated, "no certificate"))
  }
}
