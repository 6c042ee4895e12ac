// swift-tools-version: 6.2
import PackageDescription

// Encoding and decoding of the same messages by Volery and by swift-protobuf, in one process. A package of its own, so
// that the product does not depend on swift-protobuf.
let package = Package(
  name: "messages-bench",
  platforms: [.macOS(.v15)],
  dependencies: [
    .package(name: "volery", path: "../../.."),
    .package(url: "https://github.com/apple/swift-protobuf", exact: "1.39.0"),
  ],
  targets: [
    .executableTarget(
      name: "messages-bench",
      dependencies: [
        .product(name: "VoleryProtobuf", package: "volery"),
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ])
  ]
)
