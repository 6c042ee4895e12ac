import Testing
import VoleryTypes

@Suite("JSON texts") struct JSONTextTests {
  @Test(
    "a value's text is read as the same value, and equal values have equal texts",
    arguments: [
      "null", "true", "[]", "{}", "-0.50e+10", "18446744073709551615", #""""#, #""a\"b\\c\n\t\u0000\u001f/é😀""#,
      #"{"b":[1,{"c":null}],"a":"x"}"#,
    ])
  func roundTrip(_ text: String) throws {
    let value = try JSONValue(parsing: text)
    #expect(try JSONValue(parsing: value.text) == value)
    #expect(try JSONValue(parsing: value.text).text == value.text)
  }

  @Test("members are in the order of their names, without spaces") func order() throws {
    #expect(try JSONValue(parsing: #"{ "b" : 1 , "a" : [ 2 , "\u0001" ] }"#).text == #"{"a":[2,"\u0001"],"b":1}"#)
  }

  @Test(
    "an escape has four hexadecimal digits, and a number no sign but a minus",
    arguments: [
      #""\u+041""#, #""\u-000""#, #""\u 041""#, #""\u0x41""#, #""\u004""#, #""\u00_1""#, #""\u００41""#,
      #""\ud83d\u+e00""#, #""\ud83d\ude+0""#, "+1", "-", "--1", "-+1", "1e", "1e+", "1e+-1", "1.+5", "1._5", "1_0",
      "0x10", "１", "-01", ".5", "Infinity", "-Infinity", "NaN", "1e5.0",
    ])
  func strictDigits(_ text: String) {
    #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
  }
}
