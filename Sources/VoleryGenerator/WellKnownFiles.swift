/// The .proto files whose Swift comes with Volery: code that imports them uses that, and it is not generated again.
enum WellKnownFiles {
  /// The module that has them; `Volery` exports it.
  static let module = "VoleryWellKnownTypes"

  static let names: Set<String> = [
    "google/protobuf/any.proto", "google/protobuf/duration.proto", "google/protobuf/empty.proto",
    "google/protobuf/field_mask.proto", "google/protobuf/struct.proto", "google/protobuf/timestamp.proto",
    "google/protobuf/wrappers.proto", "google/rpc/code.proto", "google/rpc/error_details.proto",
    "google/rpc/status.proto",
  ]

  /// Packages whose types always have the package before their names.
  static let packages: Set<String> = ["google.protobuf", "google.rpc"]
}

extension PluginOptions {
  /// The Swift module of a .proto file that another module has; nil where it is in this one, or imported already.
  func module(of file: String) -> String? {
    if let module = modules[file] { return module }
    guard WellKnownFiles.names.contains(file), !module.split(separator: "+").contains("Volery") else { return nil }
    return WellKnownFiles.module
  }

  /// The Swift module of a .proto file that another module has, or of one whose Swift comes with Volery; nil where it is in
  /// this module.
  func moduleOrWellKnown(of file: String) -> String? {
    modules[file] ?? (WellKnownFiles.names.contains(file) ? WellKnownFiles.module : nil)
  }
}
