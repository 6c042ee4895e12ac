// swift-tools-version: 6.2
import PackageDescription

// A module imports only from rows above its own (Docs/Architecture.md); Tests/ArchitectureTests checks it.

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .treatAllWarnings(as: .error),
]

func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func program(_ name: String, path: String? = nil, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(name: name, dependencies: dependencies, path: path, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
  .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict)
}

func system(_ name: String, _ pkgConfig: String, apt: String, brew: String) -> Target {
  .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([apt]), .brew([brew])])
}

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let configuration: Target.Dependency = .product(name: "Configuration", package: "swift-configuration")
let deque: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let coreMetrics: Target.Dependency = .product(name: "CoreMetrics", package: "swift-metrics")
let tracing: Target.Dependency = .product(name: "Tracing", package: "swift-distributed-tracing")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let inMemoryTracing: Target.Dependency = .product(name: "InMemoryTracing", package: "swift-distributed-tracing")

let package = Package(
  name: "volery",
  platforms: [.macOS(.v15)],
  products: [
    .library(name: "Volery", targets: ["Volery"]),
    .library(name: "VoleryProtobuf", targets: ["VoleryProtobuf", "VoleryWellKnownTypes"]),
    .library(name: "VoleryFoundation", targets: ["VoleryFoundation"]),
    .library(name: "VoleryConfiguration", targets: ["VoleryConfiguration"]),
    .library(name: "VoleryInterceptors", targets: ["VoleryInterceptors"]),
    .library(name: "VoleryServiceLifecycle", targets: ["VoleryServiceLifecycle"]),
    .library(name: "VoleryMetrics", targets: ["VoleryMetrics"]),
    .library(name: "VoleryTracing", targets: ["VoleryTracing"]),
    .library(name: "VoleryReflection", targets: ["VoleryReflection"]),
    .library(name: "VoleryChannelz", targets: ["VoleryChannelz"]),
    .library(name: "VoleryBinaryLog", targets: ["VoleryBinaryLog"]),
    .library(name: "VoleryStatus", targets: ["VoleryStatus"]),
    .library(name: "VoleryTesting", targets: ["VoleryTesting"]),
    .library(name: "VoleryProxy", targets: ["VoleryProxy"]),
    .library(name: "VoleryXDS", targets: ["VoleryXDS"]),
    .library(name: "VoleryKubernetes", targets: ["VoleryKubernetes"]),
    .executable(name: "volery-proxy", targets: ["volery-proxy"]),
    .executable(name: "protoc-gen-volery", targets: ["protoc-gen-volery"]),
    .executable(name: "volery-interop", targets: ["volery-interop"]),
    .executable(name: "volery-binlog", targets: ["volery-binlog"]),
    .plugin(name: "VoleryPlugin", targets: ["VoleryPlugin"]),
    .plugin(name: "VoleryCommandPlugin", targets: ["VoleryCommandPlugin"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.0"),
    .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
  ],
  targets: [
    // 0: values that know neither gRPC nor I/O.
    module("VoleryPrimitives", [deque]),
    module("VoleryPlatform"),

    // 1: C libraries, each imported by exactly one module, and the words everybody shares.
    system("CNGHTTP2", "libnghttp2", apt: "libnghttp2-dev", brew: "libnghttp2"),
    system("COpenSSL", "openssl", apt: "libssl-dev", brew: "openssl@3"),
    system("CLibUV", "libuv", apt: "libuv1-dev", brew: "libuv"),
    system("CCares", "libcares", apt: "libc-ares-dev", brew: "c-ares"),
    system("CZlib", "zlib", apt: "zlib1g-dev", brew: "zlib"),
    system("CProtobufC", "libprotobuf-c", apt: "libprotobuf-c-dev", brew: "protobuf-c"),
    module("VoleryTypes", ["VoleryPlatform", "VoleryPrimitives"]),

    // 2: gRPC words without C or I/O | C and I/O without gRPC words.
    module("VoleryNameResolution", ["VoleryPlatform", "VoleryTypes"]),
    module("VoleryLoadBalancing", ["VoleryPlatform", "VoleryTypes"]),
    module("VoleryTransport", ["VoleryPrimitives", "VoleryTypes"]),
    module("VoleryObservation", ["VoleryTypes"]),
    module("VoleryEventLoops", ["VoleryPlatform", "VoleryPrimitives", "CLibUV"]),
    module("VoleryHTTP2Session", ["VoleryPlatform", "VoleryPrimitives", "CNGHTTP2"]),
    module("VoleryTLSSession", ["VoleryPlatform", "VoleryPrimitives", "COpenSSL"]),
    module("VoleryCompression", ["CZlib"]),

    // 3: adapters.
    module(
      "VoleryHTTP2Transport",
      [
        "VoleryPlatform",
        "VoleryPrimitives", "VoleryTypes", "VoleryTransport", "VoleryHTTP2Session", "VoleryTLSSession",
        "VoleryEventLoops", "VoleryCompression",
      ]),
    module("VoleryDNS", ["VoleryPlatform", "VoleryTypes", "VoleryNameResolution", "VoleryEventLoops", "CCares"]),
    module("VoleryFileResolver", ["VoleryPlatform", "VoleryTypes", "VoleryNameResolution", "VoleryEventLoops"]),
    module("VoleryProtobuf", ["VoleryPlatform", "VoleryPrimitives", "VoleryTypes", "CProtobufC"]),

    // 4: runtime, and what writes Swift for it.
    module("VoleryGenerator", ["VoleryProtobuf"]),
    module("VoleryWellKnownTypes", ["VoleryPlatform", "VoleryProtobuf", "VoleryTypes"]),
    module(
      "VoleryServer",
      [
        "VoleryPlatform",
        "VoleryPrimitives", "VoleryTypes", "VoleryTransport", "VoleryObservation", "VoleryTLSSession",
        "VoleryHTTP2Transport", "VoleryEventLoops", logging,
      ]),
    module(
      "VoleryClient",
      [
        "VoleryPlatform",
        "VoleryPrimitives", "VoleryTypes", "VoleryTransport", "VoleryObservation", "VoleryTLSSession",
        "VoleryHTTP2Transport", "VoleryEventLoops", "VoleryNameResolution", "VoleryLoadBalancing", "VoleryDNS",
        "VoleryFileResolver", logging,
      ]),

    // 5: front.
    module("VoleryServiceLifecycle", ["VoleryServer", "VoleryClient", lifecycle]),
    module("VoleryMetrics", ["VoleryPlatform", "VoleryTypes", "VoleryObservation", coreMetrics]),
    module("VoleryTracing", ["VoleryPlatform", "VoleryPrimitives", "VoleryTypes", "VoleryObservation", tracing]),
    module("VoleryFoundation", ["VoleryTypes", "VoleryTLSSession", "VoleryProtobuf", "VoleryWellKnownTypes"]),
    module(
      "VoleryChannelz",
      [
        "VoleryPlatform", "VoleryPrimitives", "VoleryTypes", "VoleryObservation", "VoleryProtobuf",
        "VoleryWellKnownTypes", "VoleryServer",
      ]),
    module(
      "VoleryBinaryLog",
      [
        "VoleryPlatform", "VoleryPrimitives", "VoleryTypes", "VoleryEventLoops", "VoleryProtobuf",
        "VoleryWellKnownTypes", "VoleryServer", "VoleryClient",
      ]),
    module("VoleryStatus", ["VoleryPrimitives", "VoleryTypes", "VoleryObservation"]),
    module("VoleryConfiguration", ["VoleryTypes", "VoleryServer", "VoleryClient", configuration]),
    module(
      "VoleryInterceptors",
      [
        "VoleryPrimitives", "VoleryTypes", "VoleryProtobuf", "VoleryWellKnownTypes", "VoleryServer", "VoleryClient",
        logging,
      ]),
    module(
      "VoleryTesting",
      [
        "VoleryTypes", "VoleryNameResolution", "VoleryTransport", "VoleryEventLoops", "VoleryHTTP2Transport",
        "VoleryServer", "VoleryClient",
      ]),
    module(
      "VoleryReflection",
      [
        "VoleryPrimitives", "VoleryTypes", "VoleryProtobuf", "VoleryWellKnownTypes", "VoleryServer", "VoleryClient",
        logging,
      ]),
    module(
      "VoleryServices",
      [
        "VoleryPrimitives", "VoleryTypes", "VoleryProtobuf", "VoleryWellKnownTypes", "VoleryServer", "VoleryClient",
      ]),
    module(
      "VoleryKubernetes",
      [
        "VoleryPlatform", "VoleryPrimitives", "VoleryTypes", "VoleryNameResolution", "VoleryEventLoops",
        "VoleryTLSSession", "VoleryDNS", "VoleryClient", logging, yams,
      ]),
    module(
      "VoleryProxy",
      [
        "VoleryPlatform", "VoleryTypes", "VoleryTransport", "VoleryEventLoops", "VoleryNameResolution", "VoleryServer",
        "VoleryClient", logging,
      ]),
    module(
      "VoleryXDS",
      [
        "VoleryPlatform", "VoleryPrimitives", "VoleryTypes", "VoleryNameResolution", "VoleryLoadBalancing",
        "VoleryProtobuf", "VoleryWellKnownTypes", "VoleryTLSSession", "VoleryObservation", "VoleryClient",
        "VoleryServer", logging,
      ]),
    module(
      "Volery",
      [
        "VoleryTypes", "VoleryDNS", "VoleryFileResolver", "VoleryServices", "VoleryProtobuf", "VoleryWellKnownTypes",
        "VoleryNameResolution", "VoleryLoadBalancing", "VoleryObservation", "VoleryServer", "VoleryClient",
        "VoleryTLSSession", "VoleryEventLoops", "VoleryPrimitives",
      ]),

    // 6: what programs have of their own.
    module("VoleryPrometheus", ["VoleryPlatform", "VoleryEventLoops", "VoleryMetrics", coreMetrics]),
    module(
      "VoleryProxyConfiguration",
      [
        "VoleryPlatform", "VoleryTypes", "VoleryTLSSession", "VoleryEventLoops", "VoleryNameResolution", "VoleryServer",
        "VoleryClient", "VoleryConfiguration", "VoleryLoadBalancing", "VoleryObservation", "VoleryHTTP2Transport",
        "VoleryProxy", configuration, logging,
        yams,
      ]),

    // 7: programs.
    program("protoc-gen-volery", ["VoleryPlatform", "VoleryGenerator"]),
    program("volery-protoc", ["VoleryPlatform"]),
    .plugin(
      name: "VoleryPlugin", capability: .buildTool(), dependencies: ["protoc-gen-volery", "volery-protoc"],
      path: "Sources/VoleryPlugin"),
    .plugin(
      name: "VoleryCommandPlugin",
      capability: .command(
        intent: .custom(verb: "generate-grpc-code", description: "Write the Swift of .proto files into the package"),
        permissions: [.writeToPackageDirectory(reason: "The Swift of .proto files is written into the package")]),
      dependencies: ["protoc-gen-volery"], path: "Sources/VoleryCommandPlugin"),
    program(
      "volery-proxy",
      [
        "VoleryPlatform", "Volery", "VoleryKubernetes", "VoleryMetrics", "VoleryPrometheus", "VoleryProxy",
        "VoleryProxyConfiguration", argumentParser, logging,
      ]),
    program("volery-interop", ["VoleryPlatform", "Volery", "VoleryReflection", "VoleryXDS", argumentParser, logging]),
    program("volery-binlog", ["VoleryBinaryLog", "VoleryProtobuf", argumentParser]),
    program(
      "volery-bench",
      [
        "VoleryPlatform", "Volery", "VoleryBinaryLog", "VoleryChannelz", "VoleryLoadBalancing", "VoleryMetrics",
        "VoleryProxy", "VoleryStatus", "VoleryTracing", "VoleryTypes", "VoleryPrometheus", argumentParser, coreMetrics,
        inMemoryTracing,
      ]),
    .target(name: "PodsShared", dependencies: ["Volery"], path: "Examples/Pods/Shared", swiftSettings: strict),
    program("pod", path: "Examples/Pods/Pod", ["PodsShared", "Volery", argumentParser, logging]),
    program("pods-client", path: "Examples/Pods/Client", ["PodsShared", "Volery", "VoleryKubernetes", argumentParser]),
    program("bearer-token", path: "Examples/BearerToken", ["Volery"]),
    program("own-messages", path: "Examples/OwnMessages", ["Volery"]),
    program("interceptors", path: "Examples/Interceptors", ["Volery"]),
    program("ten-lines", path: "Examples/TenLines", ["Volery"]),
    program("server-share", path: "Examples/ServerShare", ["Volery"]),
    program("zone-policy", path: "Examples/ZonePolicy", ["Volery"]),
    program("failover-policy", path: "Examples/FailoverPolicy", ["Volery"]),
    program("ports-resolver", path: "Examples/PortsResolver", ["Volery"]),
    program(
      "prometheus-metrics", path: "Examples/Metrics/Program",
      ["VoleryPrometheus", "Volery", "VoleryMetrics", coreMetrics]),
    program("route-guide", path: "Examples/RouteGuide/Sources", ["Volery", "VoleryReflection"]),
    program("watch", path: "Examples/Watch", ["Volery"]),
    program("in-memory-registry", path: "Examples/InMemoryRegistry", ["Volery"]),
    program("pods-demo", path: "Examples/Pods/Demo", ["PodsShared", "Volery", argumentParser, logging]),

    // Tests.
    program(
      "volery-lab", path: "Tests/Lab/Program",
      ["Volery", "VoleryKubernetes", "VoleryMetrics", "VoleryPrometheus", argumentParser, logging]),
    program("volery-xds-probe", path: "Tests/XDS/Program", ["Volery", "VoleryXDS", logging]),
    .target(
      name: "TestSupport", dependencies: ["VoleryPlatform", "VoleryTypes", "CNGHTTP2", logging], path: "Tests/Support",
      exclude: ["certificates.sh", "own_network.py"],
      swiftSettings: strict),
    program(
      "signal-server", path: "Tests/ServiceLifecycleTests/Program",
      ["VoleryPlatform", "Volery", "VoleryServiceLifecycle", lifecycle, unixSignals, logging]),
    tests(
      "ServiceLifecycleTests",
      ["TestSupport", "Volery", "VoleryServiceLifecycle", "signal-server", lifecycle, logging],
      exclude: ["Program"]),
    tests("ConfigurationTests", ["Volery", "VoleryConfiguration", configuration]),
    tests("InterceptorsTests", ["TestSupport", "Volery", "VoleryInterceptors", "VoleryTesting", logging]),
    tests(
      "TestingTests", ["TestSupport", "Volery", "VoleryTesting", "VoleryInterceptors"], exclude: ["parcels.proto"]),
    tests(
      "ProxyTests",
      [
        "VoleryPlatform", "TestSupport", "Volery", "VoleryMetrics", "VoleryProxy", "VoleryProxyConfiguration",
        "VoleryEventLoops", "VoleryTypes", "VoleryPrometheus", "volery-proxy", configuration, coreMetrics,
      ]),
    tests(
      "XDSTests",
      [
        "TestSupport", "Volery", "VoleryXDS", "VoleryTypes", "VoleryLoadBalancing", "VoleryWellKnownTypes",
        "VoleryProtobuf", "VoleryMetrics", "VoleryObservation", "VoleryPrometheus", "volery-interop",
      ],
      exclude: ["control_plane.py", "environment.sh", "requirements.txt"]),
    tests(
      "KubernetesTests",
      [
        "TestSupport", "Volery", "VoleryKubernetes", "VoleryClient", "VoleryNameResolution", "VoleryTypes", logging,
      ],
      exclude: ["api_server.py"]),
    tests("PrimitivesTests", ["TestSupport", "VoleryPrimitives"]),
    tests("TypesTests", ["VoleryTypes"]),
    tests("NameResolutionTests", ["VoleryPlatform", "VoleryNameResolution", "VoleryTypes"]),
    tests("LoadBalancingTests", ["VoleryPlatform", "VoleryLoadBalancing", "VoleryTypes"]),
    tests("EventLoopsTests", ["TestSupport", "VoleryEventLoops", "VoleryPrimitives"]),
    tests(
      "HTTP2TransportTests",
      [
        "TestSupport", "Volery", "VoleryHTTP2Transport", "VoleryHTTP2Session", "VoleryTransport", "VoleryTypes",
        "VoleryEventLoops", "VoleryPlatform", "VoleryServer", "CNGHTTP2", "CLibUV", "volery-interop",
      ]),
    tests(
      "DNSTests",
      [
        "TestSupport", "Volery", "VoleryDNS", "VoleryFileResolver", "VoleryNameResolution", "VoleryEventLoops",
        "VoleryTypes",
      ]),
    // Not a test: that it compiles is the point.
    .target(
      name: "NastyMessages", dependencies: ["Volery"], path: "Tests/NastyMessages",
      exclude: [
        "nasty.proto", "nasty_imported.proto", "nasty_public.proto", "no_package.proto", "odd.proto", "kinds.proto",
        "paths",
      ],
      swiftSettings: strict),
    // What the tests of messages and the fuzzer work with.
    .target(
      name: "TestMessages", dependencies: ["VoleryProtobuf", "VoleryWellKnownTypes"],
      path: "Tests/TestMessages", swiftSettings: strict),
    tests(
      "ProtobufTests",
      ["Volery", "VoleryProtobuf", "VoleryTypes", "NastyMessages", "TestMessages", "protoc-gen-volery"],
      exclude: ["everything.proto", "proto2.proto", "editions.proto", "edition2024.proto", "arbiter.py"]),
    // With the plugins' own code in it (Shared, ManifestTargets.swift).
    tests("PluginTests", ["protoc-gen-volery"]),
    tests("FoundationTests", ["Volery", "VoleryFoundation", "TestMessages"]),
    tests("MessageFormatTests", ["Volery", "TestMessages"], exclude: ["formats.proto", "lonely.proto", "arbiter.py"]),
    tests(
      "RuntimeTests",
      [
        "VoleryPlatform", "NastyMessages", "TestSupport", "Volery", "VoleryServer", "VoleryClient", "VoleryTransport",
        "VoleryLoadBalancing", "VoleryTesting",
        "VoleryTypes", "VoleryCompression",
        "VoleryHTTP2Session", "VoleryHTTP2Transport", "VoleryEventLoops",
      ]),
    tests(
      "ReflectionTests",
      ["TestSupport", "Volery", "VoleryReflection", "VoleryTesting", "TestMessages"]),
    tests(
      "TelemetryTests",
      [
        "TestSupport", "Volery", "VoleryBinaryLog", "VoleryInterceptors", "VoleryMetrics", "VoleryStatus",
        "VoleryTracing", "VoleryChannelz", "VoleryObservation", "VoleryTypes", "VoleryPlatform", "VoleryServer",
        "VoleryPrometheus", "volery-binlog", coreMetrics, tracing, inMemoryTracing,
      ]),
    tests(
      "InteropTests",
      [
        "TestSupport", "Volery", "VoleryReflection", "NastyMessages", "TestMessages", "volery-interop", "own-messages",
        "bearer-token", "interceptors", "server-share",
        "ten-lines", "prometheus-metrics", "route-guide",
        "zone-policy", "watch",
        "in-memory-registry",
      ]),
    tests(
      "TLSTests",
      [
        "TestSupport", "Volery", "VoleryClient", "VoleryServer", "VoleryEventLoops", "VoleryHTTP2Transport",
        "VoleryPlatform", "VoleryTLSSession", "VoleryTypes", logging,
      ]),
    .target(
      name: "FuzzTargets",
      dependencies: [
        "TestMessages", "VoleryTypes", "VoleryNameResolution", "VoleryLoadBalancing", "VoleryProtobuf",
        "VoleryWellKnownTypes", "VoleryGenerator",
      ],
      path: "Tests/Fuzz/Targets",
      swiftSettings: strict),
    tests("FuzzTests", ["FuzzTargets"]),
    tests("ArchitectureTests", []),
  ]
)

// The fuzzer's program links only with libFuzzer (Tests/Fuzz/run.sh).
if Context.environment["VOLERY_FUZZ"] != nil {
  package.targets.append(
    program("volery-fuzz", path: "Tests/Fuzz/Program", ["FuzzTargets"]))
  package.products.append(.executable(name: "volery-fuzz", targets: ["volery-fuzz"]))
}

// What writes the API documentation (`make docs`) is nothing that packages which use this one resolve or build.
if Context.environment["VOLERY_DOCS"] != nil {
  package.dependencies.append(.package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0"))
}
