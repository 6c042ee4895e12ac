// swift-tools-version: 6.2
import PackageDescription

func volery(_ product: String) -> Target.Dependency { .product(name: product, package: "volery") }

let package = Package(
  name: "shop",
  platforms: [.macOS(.v15)],
  dependencies: [
    .package(name: "volery", path: "../.."),  // your address of it: see README
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
  ],
  targets: [
    // What both sides of a call share: the code of the .proto files, made at every build.
    .target(
      name: "ShopAPI", dependencies: [volery("Volery")],
      plugins: [.plugin(name: "VoleryPlugin", package: "volery")]),
    // What the servers do; apart from the programs, so that tests can import it.
    .target(
      name: "ShopServices",
      dependencies: [
        "ShopAPI", volery("Volery"), volery("VoleryInterceptors"), volery("VoleryMetrics"),
        .product(name: "Logging", package: "swift-log"),
      ]),
    .executableTarget(name: "inventory", dependencies: program),
    .executableTarget(name: "orders", dependencies: program),
    .executableTarget(name: "shopper", dependencies: ["ShopAPI", volery("Volery")]),
    .testTarget(
      name: "ShopTests",
      dependencies: [
        "ShopAPI", "ShopServices", volery("Volery"), volery("VoleryInterceptors"), volery("VoleryTesting"),
        .product(name: "Logging", package: "swift-log"),
      ]),
  ]
)

var program: [Target.Dependency] {
  [
    "ShopAPI", "ShopServices", volery("Volery"), volery("VoleryServiceLifecycle"),
    .product(name: "Logging", package: "swift-log"),
    .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
  ]
}
