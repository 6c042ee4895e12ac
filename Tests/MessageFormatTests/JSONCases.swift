import TestMessages

/// JSON of `Format`, good and bad: PyPI's protobuf says which is which, and what it means.
enum JSONCases {
  static let all: [String] = numbers + texts + structure + wellKnown + any

  static let numbers = [
    #"{}"#, #" { } "#, #""#, #"["#, #"{"int32Value":1}"#, #"{"int32_value":1}"#, #"{"int32Value":"1"}"#,
    #"{"int32Value":1.0}"#, #"{"int32Value":1e3}"#, #"{"int32Value":1.5e1}"#, #"{"int32Value":1.5}"#,
    #"{"int32Value":2147483647}"#, #"{"int32Value":2147483648}"#, #"{"int32Value":-2147483648}"#,
    #"{"int32Value":-2147483649}"#, #"{"int32Value":-0}"#, #"{"int32Value":+1}"#, #"{"int32Value":01}"#,
    #"{"int32Value":""}"#, #"{"int32Value":" 1"}"#, #"{"int32Value":"1 "}"#, #"{"int32Value":"x"}"#,
    #"{"int32Value":0x10}"#, #"{"int32Value":[1]}"#, #"{"int32Value":{}}"#, #"{"int32Value":1e100}"#,
    #"{"int64Value":9223372036854775807}"#, #"{"int64Value":"-9223372036854775808"}"#,
    #"{"int64Value":"9223372036854775808"}"#, #"{"uint32Value":4294967295}"#, #"{"uint32Value":4294967296}"#,
    #"{"uint32Value":-1}"#, #"{"uint64Value":"18446744073709551615"}"#, #"{"uint64Value":18446744073709551616}"#,
    #"{"sint32Value":-7,"sint64Value":"-8","fixed32Value":9,"fixed64Value":"10","sfixed32Value":-11}"#,
    #"{"floatValue":1.5,"doubleValue":-2.25e-3}"#, #"{"floatValue":"NaN","doubleValue":"-Infinity"}"#,
    #"{"floatValue":"Infinity"}"#, #"{"floatValue":"inf"}"#, #"{"doubleValue":"1e5"}"#, #"{"doubleValue":""}"#,
    #"{"floatValue":3.4028235e38}"#, #"{"floatValue":3.5e38}"#, #"{"floatValue":-3.5e38}"#, #"{"doubleValue":1.8e308}"#,
    #"{"doubleValue":-0.0}"#, #"{"doubleValue":5e-324}"#, #"{"doubleValue":1e-400}"#, #"{"doubleValue":1.}"#,
    #"{"doubleValue":.5}"#, #"{"boolValue":true}"#, #"{"boolValue":false}"#, #"{"boolValue":"true"}"#,
    #"{"boolValue":1}"#, #"{"boolValue":TRUE}"#, #"{"boolValue":tru}"#,
    #"{"doubleValue":1.+5}"#, #"{"doubleValue":1e+}"#, #"{"doubleValue":-}"#,
  ]

  static let texts = [
    #"{"stringValue":"grüße 😈"}"#, #"{"stringValue":"\u00e9\ud83d\ude08\n\t\"\\\/\b\f\r"}"#,
    #"{"stringValue":"\u0000"}"#, #"{"stringValue":"\ud83d"}"#, #"{"stringValue":"\ude08\ud83d"}"#,
    #"{"stringValue":"\ud83dx"}"#, #"{"stringValue":"\x41"}"#, #"{"stringValue":"\u12"}"#, #"{"stringValue":"a"#,
    #"{"stringValue":'a'}"#, #"{"stringValue":1}"#, #"{"stringValue":true}"#, "{\"stringValue\":\"a\u{1}b\"}",
    "{\"stringValue\":\"a\nb\"}", #"{"bytesValue":"AQID"}"#, #"{"bytesValue":"AQI="}"#, #"{"bytesValue":"AQI"}"#,
    #"{"bytesValue":"AQ=="}"#, #"{"bytesValue":"-_+/"}"#, #"{"bytesValue":"A"}"#, #"{"bytesValue":""}"#,
    #"{"level":"LEVEL_LOW"}"#, #"{"level":2}"#, #"{"level":"LEVEL_TOP"}"#, #"{"level":-1}"#, #"{"level":77}"#,
    #"{"level":"LEVEL_NONE"}"#, #"{"level":"level_low"}"#, #"{"level":1.5}"#, #"{"level":true}"#,
    #"{"other\"name":"x"}"#, #"{"renamed":"x"}"#, #"{"fieldName2WithUnderscores":"x"}"#,
    #"{"field_name_2__with___underscores":"x"}"#, #"{"stringValue":"\u+041"}"#, #"{"stringValue":"\u-000"}"#,
    #"{"stringValue":"\u 041"}"#, #"{"stringValue":"\u0x41"}"#, #"{"stringValue":"\u００41"}"#,
    #"{"stringValue":"\ud83d\u+e00"}"#, #"{"string\u0056alue":"\u004A\u004a"}"#,
  ]

  static let structure = [
    #"{"unknown":1}"#, #"{"int32Value":1,"int32Value":2}"#, #"{"int32Value":1,"int32_value":2}"#, #"{"int32Value":1,}"#,
    #"{"int32Value" 1}"#, #"{int32Value:1}"#, #"{} {}"#, #"{}x"#, #"{"int32Value":1 "int64Value":1}"#,
    #"{"int32Value":null}"#, #"{"int32List":null}"#, #"{"int32List":[1,2,3]}"#, #"{"int32List":[1,]}"#,
    #"{"int32List":[null]}"#, #"{"int32List":[]}"#, #"{"int32List":1}"#, #"{"int32List":[1,"2",3.0]}"#,
    #"{"formatList":[{},{"int32Value":1}]}"#, #"{"formatList":[null]}"#, #"{"stringList":["",null]}"#,
    #"{"levelList":["LEVEL_LOW",2,7]}"#, #"{"bytesList":["","AA=="]}"#, #"{"boolList":[true,false]}"#,
    #"{"doubleList":[1,"NaN",1e300]}"#, #"{"format":{"format":{"format":{"int32Value":1}}}}"#, #"{"format":null}"#,
    #"{"format":[]}"#, #"{"format":1}"#, #"{"maybeInt32":0,"maybeString":"","maybeLevel":"LEVEL_UNSPECIFIED"}"#,
    #"{"stringMap":{"a":"b","":""}}"#, #"{"stringMap":{"a":null}}"#, #"{"stringMap":[]}"#, #"{"stringMap":{"a":1}}"#,
    #"{"formatMap":{"-1":{},"2":{"int32Value":3}}}"#, #"{"formatMap":{"x":{}}}"#, #"{"formatMap":{"2147483648":{}}}"#,
    #"{"formatMap":{"1":null}}"#, #"{"levelMap":{"true":"LEVEL_LOW","false":0}}"#, #"{"levelMap":{"1":0}}"#,
    #"{"doubleMap":{"18446744073709551615":"NaN"}}"#, #"{"doubleMap":{"-1":1}}"#,
    #"{"choiceString":"a","choiceUint32":1}"#, #"{"choiceString":null,"choiceUint32":1}"#,
    #"{"choiceUint32":0}"#, #"{"choiceNull":null}"#, #"{"choiceNull":"NULL_VALUE"}"#, #"{"choiceFormat":{}}"#,
    #"{"choiceString":"a","choice_string":"b"}"#, #"{"null":null}"#, #"{"null":0}"#,
  ]

  static let wellKnown = [
    #"{"timestamp":"1970-01-01T00:00:00Z"}"#, #"{"timestamp":"2006-01-02T15:04:05.123456789Z"}"#,
    #"{"timestamp":"2006-01-02T15:04:05.1Z"}"#, #"{"timestamp":"2006-01-02T15:04:05+07:30"}"#,
    #"{"timestamp":"0001-01-01T00:00:00Z"}"#, #"{"timestamp":"9999-12-31T23:59:59.999999999Z"}"#,
    #"{"timestamp":"0000-01-01T00:00:00Z"}"#, #"{"timestamp":"2006-13-02T15:04:05Z"}"#,
    #"{"timestamp":"2006-02-29T15:04:05Z"}"#, #"{"timestamp":"2004-02-29T15:04:05Z"}"#,
    #"{"timestamp":"2006-01-02T24:04:05Z"}"#, #"{"timestamp":"2006-01-02 15:04:05Z"}"#,
    #"{"timestamp":"2006-01-02T15:04:05"}"#, #"{"timestamp":"1969-12-31T23:59:59.5Z"}"#, #"{"timestamp":1}"#,
    #"{"timestamps":["1970-01-01T00:00:00Z","1970-01-01T00:00:00.5Z"]}"#, #"{"duration":"1.5s"}"#,
    #"{"duration":"-0.5s"}"#, #"{"duration":"315576000000.999999999s"}"#, #"{"duration":"315576000001s"}"#,
    #"{"duration":"1"}"#, #"{"duration":"0s"}"#, #"{"duration":"-1.000000001s"}"#, #"{"duration":"s"}"#,
    #"{"duration":"1.+5s"}"#, #"{"duration":"1.-5s"}"#,
    #"{"duration":"--1s"}"#, #"{"duration":"1. 5s"}"#, #"{"duration":"1e1s"}"#, #"{"duration":"1.5S"}"#,
    #"{"duration":"0x1s"}"#, #"{"timestamp":"2006-01-02T15:04:05.+5Z"}"#,
    #"{"timestamp":"2006-+1-02T15:04:05Z"}"#,
    #"{"mask":"a,bC.dE"}"#, #"{"mask":""}"#, #"{"mask":"a_b"}"#, #"{"structure":{"a":1,"b":[true,null,"x",{}]}}"#,
    #"{"structure":[]}"#, #"{"structure":null}"#, #"{"value":null}"#, #"{"value":1.5}"#, #"{"value":"x"}"#,
    #"{"value":false}"#, #"{"value":[]}"#, #"{"value":{"a":[]}}"#, #"{"list":[1,[2]]}"#, #"{"list":{}}"#,
    #"{"values":[null,1]}"#, #"{"valueMap":{"a":null}}"#, #"{"empty":{}}"#, #"{"empty":{"a":1}}"#,
    #"{"boolWrapper":false,"int32Wrapper":0,"int64Wrapper":"0","uint32Wrapper":0,"uint64Wrapper":"5"}"#,
    #"{"floatWrapper":0,"doubleWrapper":"NaN","stringWrapper":"","bytesWrapper":""}"#, #"{"int32Wrapper":null}"#,
    #"{"int32Wrapper":"x"}"#, #"{"boolWrapper":{}}"#,
  ]

  /// Digits that are none, and signs where there may be none. Python's own int() and float() take some of them.
  static let malformedDigits = [
    #"{"int32Value":"+1"}"#,
    #"{"doubleValue":"+1.5"}"#,
    #"{"doubleMap":{"+1":1}}"#,
    #"{"level":"+1"}"#,
    #"{"duration":"+1s"}"#,
    #"{"duration":"1.s"}"#,
    #"{"duration":"1.5_0s"}"#,
    #"{"timestamp":"2006-01-02T15:04:05.Z"}"#,
    #"{"timestamp":"2006-01-02T15:04:05++7:30"}"#,
    #"{"stringValue":"\u+041"}"#,
    #"{"stringValue":"\u-000"}"#,
    #"{"duration":"1.+5s"}"#,
    #"{"duration":"1.-5s"}"#,
    #"{"duration":"+-1s"}"#,
    #"{"duration":"-+1s"}"#,
    #"{"duration":"１s"}"#,
    #"{"int32Value":"1_0"}"#,
    #"{"int32Value":"１"}"#,
    #"{"timestamp":"2006-01-02T15:04:05.+5Z"}"#,
    #"{"timestamp":"+006-01-02T15:04:05Z"}"#,
    #"{"duration":"1.0000000001s"}"#,
  ]

  static let any = [
    #"{"any":{}}"#, #"{"any":{"@type":"type.googleapis.com/volery.formats.Format","int32Value":7}}"#,
    #"{"any":{"int32Value":7,"@type":"type.googleapis.com/volery.formats.Format"}}"#,
    #"{"any":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1.5s"}}"#,
    #"{"any":{"value":"1970-01-01T00:00:01Z","@type":"type.googleapis.com/google.protobuf.Timestamp"}}"#,
    #"{"any":{"@type":"type.googleapis.com/google.protobuf.Int32Value","value":7}}"#,
    #"{"any":{"@type":"type.googleapis.com/google.protobuf.Struct","value":{"a":1}}}"#,
    #"{"any":{"@type":"type.googleapis.com/google.protobuf.Any","value":{"@type":"type.googleapis.com/volery.formats.Stranger","name":"x"}}}"#,
    #"{"any":{"@type":"type.googleapis.com/nobody.Knows"}}"#, #"{"any":{"int32Value":1}}"#,
    #"{"any":{"@type":1}}"#,
    #"{"any":{"any":{"int32Value":1,"@type":"t/volery.formats.Format"},"@type":"t/volery.formats.Format"}}"#,
    #"{"anys":[{"@type":"t/volery.formats.Stranger"},{"name":"a","@type":"t/volery.formats.Stranger"}]}"#,
  ]
}
