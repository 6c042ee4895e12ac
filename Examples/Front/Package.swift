// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "front",
  platforms: [.macOS(.v15)],
  dependencies: [
    .package(name: "volery", path: "../.."),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
  ],
  targets: [
    .executableTarget(
      name: "front",
      dependencies: [
        .product(name: "Volery", package: "volery"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
      ],
      path: "Sources",
      swiftSettings: [.swiftLanguageMode(.v6)])
  ]
)
