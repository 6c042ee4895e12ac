import Testing
import VoleryLoadBalancing

/// Expected values come from the reference library.
@Suite("XXH64") struct XXHash64Tests {
  @Test(
    "is what the reference library says",
    arguments: [
      ("", 0, 0xef46_db37_51d8_e999), ("", 12345, 0x9558_4af7_701f_808d), ("a", 0, 0xd24e_c4f1_a98c_6e5b),
      ("abc", 0, 0x44bc_2cf5_ad77_0999), ("abc", 12345, 0x0170_0e64_f6f2_3509),
      ("10.0.0.1:50051_0", 0, 0x7423_8964_7ea7_2c09),
      ("0123456789abcdef0123456789abcdef", 0, 0x642a_9495_8e71_e6c5),
      ("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefXYZ12", 0, 0x3ca1_3e26_5edf_13bc),
      ("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefXYZ12", 12345, 0x7024_5dc2_db6b_c5c6),
    ] as [(String, UInt64, UInt64)])
  func vectors(_ text: String, _ seed: UInt64, _ expected: UInt64) {
    #expect(XXHash64.hash(text, seed: seed) == expected)
  }
}
