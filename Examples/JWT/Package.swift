// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "jwt",
  platforms: [.macOS(.v15)],
  dependencies: [
    .package(name: "volery", path: "../.."),
    .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.1"),
  ],
  targets: [
    .executableTarget(
      name: "JWT",
      dependencies: [
        .product(name: "Volery", package: "volery"),
        .product(name: "VoleryInterceptors", package: "volery"),
        .product(name: "JWTKit", package: "jwt-kit"),
      ],
      path: "Sources")
  ]
)
