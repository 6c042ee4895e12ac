// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "status-page",
  platforms: [.macOS(.v15)],
  dependencies: [
    .package(name: "volery", path: "../.."),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
  ],
  targets: [
    .executableTarget(
      name: "StatusDemo",
      dependencies: [
        .product(name: "Volery", package: "volery"),
        .product(name: "VoleryStatus", package: "volery"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Hummingbird", package: "hummingbird"),
      ],
      path: "Sources",
      swiftSettings: [.swiftLanguageMode(.v6)])
  ]
)
