import Foundation
import Testing

/// The same .proto files by several compilers: what they send differs, what is generated does not.
@Suite("Output by compiler", .serialized, .timeLimit(.minutes(2))) struct CompilerTests {
  @Test("protoc 3.21, the newest protoc and buf lead to the same bytes") func same() throws {
    let protos = ["f.proto": Self.proto2, "three.proto": Self.proto3, "options.proto": Self.options]
    let old = try ProtocRun(protos, "Visibility=public")
    try #require(old.files.count == 3, "\(old.error)")
    for compiler in [ProtocRun.Compiler.newest, .buf] {
      let other = try ProtocRun(protos, "Visibility=public", by: compiler)
      #expect(other.files.keys.sorted() == old.files.keys.sorted(), "\(other.error)")
      for (name, text) in old.files { #expect(other.files[name] == text, "\(name) by \(compiler)") }
    }
  }

  @Test("so do the newest protoc and buf for editions") func editions() throws {
    let protos = [
      "ed.proto": Self.edition2023, "e.proto": Self.edition2024, "options.proto": Self.options,
      "secret.proto": Self.secret,
    ]
    let protoc = try ProtocRun(protos, "Prefix=package", by: .newest)
    try #require(protoc.files.count == 4, "\(protoc.error)")
    let buf = try ProtocRun(protos, "Prefix=package", by: .buf)
    for (name, text) in protoc.files { #expect(buf.files[name] == text, "\(name): \(buf.error)") }
    let text = try #require(protoc.files["e.volery.swift"])
    func hexadecimal(_ text: String) -> String { text.utf8.map { String($0, radix: 16) }.joined() }
    #expect(text.contains(hexadecimal("said")) && !text.contains(hexadecimal("hush")), "an option for the source alone")
  }

  @Test("defaults of floats are the shortest text, in code and in the descriptor") func floats() throws {
    let run = try ProtocRun(["f.proto": Self.proto2, "options.proto": Self.options], wanted: ["f.proto"])
    let text = try #require(run.files["f.volery.swift"], "\(run.error)")
    for (name, value) in [
      ("f1", "0.1"), ("f2", "1e+30"), ("f3", "-.infinity"), ("f4", ".nan"), ("f5", "16777216.0"), ("f8", "-0.0"),
      ("d6", "5e-324"), ("d9", "1.5"), ("f11", "1e-05"),
    ] {
      #expect(
        text.contains(try Regex("\\b\(name)OrDefault: .* \\?\\? \(NSRegularExpression.escapedPattern(for: value)) ")),
        "\(name)")
    }
  }

  static let options = #"""
    syntax = "proto2";
    package compilers;
    import "google/protobuf/descriptor.proto";
    message Sub { repeated int32 list = 1; optional string name = 2; }
    enum OE { ONE_ = 1; TWO_ = 2; }
    message Opt { optional sint32 a = 1; optional string b = 2; optional Sub sub = 3; optional float f = 4;
      optional double d = 5; optional OE e = 6; repeated float any = 7; map<string, int32> m = 8; }
    extend google.protobuf.FileOptions { optional string fileopt = 50001; }
    extend google.protobuf.MessageOptions { optional Opt msgopt = 50001; }
    extend google.protobuf.FieldOptions { optional string a = 50003; optional int32 b = 50002;
      repeated int32 rep = 50001; }
    extend google.protobuf.EnumValueOptions { optional float ev = 50001; }
    extend google.protobuf.MethodOptions { optional Opt mo = 50001; }
    """#

  static let proto2 = #"""
    syntax = "proto2";
    package compilers;
    import "google/protobuf/descriptor.proto";
    import "options.proto";
    option java_package = "x.y";
    option optimize_for = SPEED;
    option (compilers.fileopt) = "f";
    option go_package = "z";
    // Comment.
    message M {
      option (compilers.msgopt).b = "two";
      option (compilers.msgopt).a = 1;
      option (compilers.msgopt).sub = { list: [3, 2] name: "x" };
      optional float f1 = 1 [default = 0.1];
      optional float f2 = 2 [default = 1e30];
      optional float f3 = 3 [default = -inf];
      optional float f4 = 4 [default = nan];
      optional float f5 = 5 [default = 16777217];
      optional float f6 = 6 [default = 3.4028235e38];
      optional float f7 = 7 [default = 1e-45];
      optional float f8 = 8 [default = -0.0];
      optional float f9 = 9 [default = 1e9];
      optional float f10 = 10 [default = 123456789];
      optional double d1 = 11 [default = 0.1];
      optional double d2 = 12 [default = 1e300];
      optional double d3 = 13 [default = 1e15];
      optional double d4 = 14 [default = 123456789012345678];
      optional double d5 = 15 [default = -0.0];
      optional double d6 = 16 [default = 5e-324];
      optional double d7 = 17 [default = inf];
      optional double d8 = 18 [default = 1e22];
      optional double d9 = 19 [default = 1.5];
      optional string s = 20 [default = "a\n\"\\'\xc3\xa4", (compilers.rep) = 3, (compilers.rep) = 1, (compilers.b) = 2, (compilers.a) = "q", deprecated = true];
      optional bytes b = 21 [default = "a\n\"\\\377'\xc3\xa4\0\x7f?"];
      optional int32 i = 22 [default = -0x10];
      optional uint64 u = 23 [default = 18446744073709551615];
      optional bool x = 24 [default = true];
      optional E e = 25 [default = TWO];
      repeated int32 packed = 26 [packed = true, json_name = "pack"];
      optional group Grp = 27 { optional float f = 1 [default = 0.3]; }
      optional float f11 = 28 [default = 1e-5];
      optional float f12 = 29 [default = 100000];
      optional float f13 = 30 [default = 1000000];
      optional float f14 = 31 [default = 0.0001];
      optional float f15 = 32 [default = 1e39];
      map<string, int32> map = 33;
      extensions 100 to max;
      reserved 50, 60 to 70;
      reserved "foo";
      oneof o { int32 o1 = 34; string o2 = 35 [(compilers.a) = "in"]; }
    }
    enum E { option allow_alias = true; ONE = 1; TWO = 2 [(compilers.ev) = 1.25]; UNO = 1; }
    extend M { optional float ext = 100 [default = 0.7]; repeated double exd = 101; }
    service S { option deprecated = true;
      rpc A(M) returns (stream M) { option idempotency_level = NO_SIDE_EFFECTS;
      option (compilers.mo) = { a: -5 b: "\001" f: 0.1 d: 0.1 e: TWO_ any: [1.5, 2.5] }; } }
    """#

  static let proto3 = #"""
    syntax = "proto3";
    package three;
    import "options.proto";
    option (compilers.fileopt) = "three";
    // Detached.

    // Leading.
    message A { // Trailing.
      optional int32 x = 1; repeated int32 r = 2; repeated int32 u = 3 [packed = false]; A a = 4;
      map<int32, A> m = 5 [(compilers.rep) = 1]; enum N { Z = 0; } N n = 6; oneof q { A qa = 7; } }
    """#

  static let edition2023 = #"""
    edition = "2023";
    package ed;
    import "options.proto";
    option features.field_presence = IMPLICIT;
    option features.message_encoding = DELIMITED;
    option (compilers.fileopt) = "ed";
    message Msg { int32 a = 1; int32 b = 2 [features.field_presence = EXPLICIT, default = 5]; Msg c = 3;
      repeated int32 d = 4 [features.repeated_field_encoding = EXPANDED];
      float f = 5 [features.field_presence = EXPLICIT, default = 0.1]; }
    enum C { option features.enum_type = CLOSED; C1 = 1; }
    """#

  static let edition2024 = #"""
    edition = "2024";
    package twentyfour;
    import "google/protobuf/timestamp.proto";
    import option "options.proto";
    import option "secret.proto";
    option features.enforce_naming_style = STYLE_LEGACY;
    option features.default_symbol_visibility = LOCAL_ALL;
    option (compilers.fileopt) = "f";
    export message Msg {
      option features.enforce_naming_style = STYLE2024;
      
      int32 a = 1 [(compilers.secret) = "hush", (compilers.a) = "said"];
      int32 b = 2 [features.field_presence = IMPLICIT];
      float f = 3 [default = 0.1];
      local enum Inner { INNER_NONE = 0; }
      export message Sub { string text = 1; }
      Sub sub = 4 [features.message_encoding = DELIMITED];
      Inner inner = 5;
      google.protobuf.Timestamp at = 6;
      oneof choice { int32 one = 7; }
      extensions 100 to 200;
    }
    local message BadName_x { option features = { enforce_naming_style: STYLE_LEGACY };
      int32 BadField = 1 [features.enforce_naming_style = STYLE_LEGACY]; }
    export enum Kind { option features.enum_type = CLOSED; A = 1; }
    service Svc { rpc Call(Msg) returns (Msg); }
    """#

  static let secret = #"""
    syntax = "proto2";
    package compilers;
    import "google/protobuf/descriptor.proto";
    extend google.protobuf.FieldOptions { optional string secret = 50010 [retention = RETENTION_SOURCE]; }
    """#
}
