/// The .proto files whose Swift comes with Volery: code that imports them uses that, and it is not generated again. The
/// plugins have this file, too: they find these files in Volery's own folder `Protos`.
enum WellKnownFiles {
  /// The module that has the Swift of each file; `Volery` exports all of them.
  static let modules: [String: String] = [
    "google/protobuf/any.proto": "VoleryWellKnownTypes",
    "google/protobuf/duration.proto": "VoleryWellKnownTypes",
    "google/protobuf/empty.proto": "VoleryWellKnownTypes",
    "google/protobuf/field_mask.proto": "VoleryWellKnownTypes",
    "google/protobuf/struct.proto": "VoleryWellKnownTypes",
    "google/protobuf/timestamp.proto": "VoleryWellKnownTypes",
    "google/protobuf/wrappers.proto": "VoleryWellKnownTypes",
    "google/rpc/code.proto": "VoleryWellKnownTypes",
    "google/rpc/error_details.proto": "VoleryWellKnownTypes",
    "google/rpc/status.proto": "VoleryWellKnownTypes",
    "grpc/health/v1/health.proto": "VoleryServices",
  ]

  /// Packages whose types always have the package before their names, whoever generates them.
  static let prefixedPackages: Set<String> = ["google.protobuf", "google.rpc"]
}
