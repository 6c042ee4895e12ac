import GRPCCore
import GRPCNIOTransportHTTP2
import GRPCProtobuf

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

// Server: peer-grpc-swift-2 server PORT [CERTIFICATE KEY]    with TLS where PEM files are given
// Client: peer-grpc-swift-2 client PORT CONCURRENCY SECONDS PAYLOAD_BYTES    prints one JSON line
//         (several ports, comma separated, are several backends)

struct BenchmarkService: Volery_Benchmark_Benchmark.SimpleServiceProtocol {
  func unary(request: Volery_Benchmark_Echo, context: ServerContext) async throws -> Volery_Benchmark_Echo { request }

  func download(
    request: Volery_Benchmark_StreamRequest, response: RPCWriter<Volery_Benchmark_Echo>, context: ServerContext
  ) async throws {
    var echo = Volery_Benchmark_Echo()
    echo.payload = .init(count: Int(request.size))
    for _ in 0..<request.count { try await response.write(echo) }
  }

  func pingPong(
    request: RPCAsyncSequence<Volery_Benchmark_Echo, any Error>, response: RPCWriter<Volery_Benchmark_Echo>,
    context: ServerContext
  ) async throws {
    for try await message in request { try await response.write(message) }
  }
}

func cpuSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

func serve(port: Int, files: [String]) async throws {
  var security = HTTP2ServerTransport.Posix.TransportSecurity.plaintext
  if files.count == 2 {
    security = .tls(
      certificateChain: [.file(path: files[0], format: .pem)], privateKey: .file(path: files[1], format: .pem))
  }
  let server = GRPCServer(
    transport: .http2NIOPosix(
      address: .ipv4(host: "127.0.0.1", port: port), transportSecurity: security,
      config: .defaults { $0.rpc.maxRequestPayloadSize = 16 << 20 }),
    services: [BenchmarkService()])
  try await server.serve()
}

func load(ports: [Int], concurrency: Int, seconds: Int, payload: Int) async throws {
  let target = ResolvableTargets.IPv4(addresses: ports.map { .init(host: "127.0.0.1", port: $0) })
  let config = ServiceConfig(loadBalancingConfig: [.roundRobin])
  let transport = try HTTP2ClientTransport.Posix(
    target: target, transportSecurity: .plaintext, serviceConfig: config)
  try await withGRPCClient(transport: transport) { client in
    let stub = Volery_Benchmark_Benchmark.Client(wrapping: client)
    var echo = Volery_Benchmark_Echo()
    echo.payload = .init(repeating: 7, count: payload)
    let message = echo
    for _ in 0..<20 { _ = try await stub.unary(message) }
    let clock = ContinuousClock()
    let start = clock.now
    let cpu = cpuSeconds()
    let end = start.advanced(by: .seconds(seconds))
    let latencies = try await withThrowingTaskGroup(of: [Int64].self) { group in
      for _ in 0..<concurrency {
        group.addTask {
          var taken: [Int64] = []
          while clock.now < end {
            let began = clock.now
            _ = try await stub.unary(message)
            let (s, a) = began.duration(to: clock.now).components
            taken.append(s * 1_000_000 + a / 1_000_000_000_000)
          }
          return taken
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    let used = cpuSeconds() - cpu
    let (s, a) = start.duration(to: clock.now).components
    let elapsed = Double(s) + Double(a) / 1e18
    let sorted = latencies.sorted()
    func percentile(_ p: Double) -> Int64 { sorted[min(sorted.count - 1, Int(Double(sorted.count) * p))] }
    print(
      "{\"calls\":\(sorted.count),\"seconds\":\(elapsed),\"cpu_us_per_call\":\(used * 1e6 / Double(sorted.count)),"
        + "\"p50_us\":\(percentile(0.5)),\"p99_us\":\(percentile(0.99)),\"p999_us\":\(percentile(0.999))}")
  }
}

let arguments = CommandLine.arguments
switch arguments.dropFirst().first {
case "server": try await serve(port: Int(arguments[2])!, files: Array(arguments.dropFirst(3)))
case "client":
  try await load(
    ports: arguments[2].split(separator: ",").map { Int($0)! }, concurrency: Int(arguments[3])!,
    seconds: Int(arguments[4])!, payload: Int(arguments[5])!)
default: print("usage: peer-grpc-swift-2 server PORT [CERTIFICATE KEY] | client PORT[,PORT] CONCURRENCY SECONDS PAYLOAD_BYTES")
}
