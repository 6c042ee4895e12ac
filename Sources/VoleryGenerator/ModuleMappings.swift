/// The file behind the option ModuleMappings: which Swift module has the code of which .proto file, in protobuf's text
/// format. It is the format that other Swift plugins take, so one file does for a project that has both.
///
///     mapping {
///       module_name: "Orders"
///       proto_file_path: "orders/v1/order.proto"
///       proto_file_path: "orders/v1/line.proto"
///     }
struct ModuleMappings {
  /// Module by .proto file.
  private(set) var modules: [String: String] = [:]

  init(path: String, readFile: (_ path: String) throws -> [UInt8]) throws {
    let bytes: [UInt8]
    do {
      bytes = try readFile(path)
    } catch {
      throw PluginError("the file \(path) that ModuleMappings names can't be read: \(error)")
    }
    do {
      try self.init(text: String(decoding: bytes, as: UTF8.self))
    } catch {
      throw PluginError("\(path): \(error)")
    }
  }

  init(text: String) throws {
    var tokens = try ModuleMappings.tokens(text)[...]
    while let word = tokens.popFirst() {
      guard word == .word("mapping") else { throw PluginError("'mapping' is expected, not \(word)") }
      if tokens.first == .symbol(":") { tokens.removeFirst() }
      guard tokens.popFirst() == .symbol("{") else { throw PluginError("'{' is expected after 'mapping'") }
      try readMapping(&tokens)
    }
  }

  private mutating func readMapping(_ tokens: inout ArraySlice<Token>) throws {
    var module: String?
    var files: [String] = []
    while let token = tokens.popFirst(), token != .symbol("}") {
      guard case .word(let field) = token, tokens.popFirst() == .symbol(":"), case .text(let value) = tokens.popFirst()
      else { throw PluginError("module_name: \"...\" or proto_file_path: \"...\" is expected at \(token)") }
      switch field {
      case "module_name": module = value
      case "proto_file_path": files.append(value)
      default: throw PluginError("a mapping has module_name and proto_file_path, not \(field)")
      }
      if tokens.first == .symbol(",") || tokens.first == .symbol(";") { tokens.removeFirst() }
    }
    guard let module else { throw PluginError("a mapping has no module_name") }
    for file in files { modules[file] = module }
  }

  // MARK: Text format

  private enum Token: Equatable {
    case word(String)
    case text(String)
    case symbol(Character)
  }

  private static func tokens(_ text: String) throws -> [Token] {
    var tokens: [Token] = []
    var rest = text[...]
    while let first = rest.first {
      if first == "#" {
        rest = rest.drop { !$0.isNewline }
      } else if first.isWhitespace {
        rest.removeFirst()
      } else if first == "\"" || first == "'" {
        let body = rest.dropFirst().prefix { $0 != first && !$0.isNewline }
        guard body.endIndex < rest.endIndex, rest[body.endIndex] == first else {
          throw PluginError("a text is not closed: \(first)\(body)")
        }
        tokens.append(.text(String(body)))
        rest = rest[rest.index(after: body.endIndex)...]
      } else if first.isLetter || first == "_" {
        let word = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
        tokens.append(.word(String(word)))
        rest = rest[word.endIndex...]
      } else {
        tokens.append(.symbol(first))
        rest.removeFirst()
      }
    }
    return tokens
  }
}
