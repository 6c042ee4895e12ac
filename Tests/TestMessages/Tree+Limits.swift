package import VoleryProtobuf

/// A limit of a type's own stands in the type's module.
extension Tree {
  package static var decodeOptions: DecodeOptions { DecodeOptions(maximumDepth: 1) }
}
