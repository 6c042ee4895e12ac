// swift-tools-version: 6.2
import PackageDescription

// The program that protobuf's conformance runner tests. A package of its own, so that the messages of the suite, which are
// generated when it is built (run.sh), cost nobody else anything.
let package = Package(
  name: "Testee",
  platforms: [.macOS(.v15)],
  dependencies: [.package(name: "volery", path: "../../..")],
  targets: [
    .executableTarget(
      name: "Testee", dependencies: [.product(name: "VoleryProtobuf", package: "volery")],
      swiftSettings: [.treatAllWarnings(as: .error)])
  ]
)
