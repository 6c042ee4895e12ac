// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "HelloWorld",
  platforms: [.macOS(.v15)],
  dependencies: [.package(name: "volery", path: "../..")],
  targets: [
    .target(name: "Greeter", dependencies: [.product(name: "Volery", package: "volery")]),
    .executableTarget(name: "Server", dependencies: ["Greeter"]),
    .executableTarget(name: "Client", dependencies: ["Greeter"]),
  ]
)
