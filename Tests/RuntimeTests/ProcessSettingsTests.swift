import Testing
import Volery

@Suite("Settings of the process") struct ProcessSettingsTests {
  @Test("they come too late once there is a channel") func late() throws {
    let channel = try Channel("ipv4:127.0.0.1:1")
    defer { channel.close() }
    #expect {
      try ProcessSettings().apply()
    } throws: {
      ($0 as? StatusError)?.code == .failedPrecondition
    }
  }
}
