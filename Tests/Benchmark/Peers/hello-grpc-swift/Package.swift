// swift-tools-version: 6.2
import PackageDescription

// Examples/HelloWorld on grpc-swift-2, target for target: what build_time.py compares with.
let package = Package(
  name: "hello-grpc-swift",
  platforms: [.macOS(.v15)],
  dependencies: [
    .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.3"),
    .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.9.2"),
    .package(url: "https://github.com/grpc/grpc-swift-protobuf", from: "2.4.1"),
  ],
  targets: [
    .target(
      name: "Greeter",
      dependencies: [
        .product(name: "GRPCCore", package: "grpc-swift-2"),
        .product(name: "GRPCProtobuf", package: "grpc-swift-protobuf"),
      ]),
    .executableTarget(
      name: "Server",
      dependencies: ["Greeter", .product(name: "GRPCNIOTransportHTTP2", package: "grpc-swift-nio-transport")]),
    .executableTarget(
      name: "Client",
      dependencies: ["Greeter", .product(name: "GRPCNIOTransportHTTP2", package: "grpc-swift-nio-transport")]),
  ]
)
