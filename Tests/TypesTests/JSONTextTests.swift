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
}
