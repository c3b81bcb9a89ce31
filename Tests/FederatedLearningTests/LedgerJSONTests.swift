internal import FederatedLearning
internal import Testing

@Suite struct LedgerJSONTests {
  @Test func `a value has one byte form, worked by hand`() throws {
    let value = CanonicalJSON.object([
      "b": .array([.null, .bool(true), .bool(false), .integer(-7)]), "a": .string("é \"x\"\n\u{1}"),
      "Z": .real(0.5),
      "": .object([:]),
    ])
    #expect(value.text == #"{"":{},"Z":0.5,"a":"é \"x\"\n\u0001","b":[null,true,false,-7]}"#)
    #expect(try CanonicalJSON(canonical: value.bytes) == value)
  }

  @Test func `whole numbers are exact up to 63 bits`() throws {
    for value: Int64 in [.max, .min, (1 << 53) + 1, 0] {
      #expect(try CanonicalJSON(canonical: Array("\(value)".utf8)) == .integer(value))
    }
    #expect(CanonicalJSON.real(4) == .integer(4))
    #expect(CanonicalJSON.real(-0.0).text == "0")
    #expect(CanonicalJSON.integer((1 << 53) + 1).double == nil)
  }

  @Test(
    arguments: [
      "", " ", "1 ", " 1", "01", "-0", "+1", "1.0", "1.", ".5", "1e5", "1E-7", "1e-7 ", "NaN", "Infinity",
      "1e999", "-",
      "\"", "\"\\u0041\"", "\"\\/\"", "\"\\u000A\"", "\"\\u000a\"", "\"\\x\"", "\"\t\"", "[1,]", "[1 ,2]",
      "[", "[1",
      "{\"a\":1,}", "{\"b\":1,\"a\":1}", "{\"a\":1,\"a\":1}", "{a:1}", "{\"a\" :1}", "{\"a\"}", "{", "nul",
      "True", "1 2",
      "{\"é\":1}", "0.10", "1e-07", "100000000000000000000000",
    ]) func `what is no JSON or another spelling is refused`(text: String)
  {
    #expect(throws: CanonicalJSONError.self) { try CanonicalJSON(canonical: Array(text.utf8)) }
  }

  @Test func `bad UTF-8 and deep nesting are refused`() {
    #expect(throws: CanonicalJSONError.self) { try CanonicalJSON(canonical: [0x22, 0xC3, 0x28, 0x22]) }
    let deep = [UInt8](repeating: UInt8(ascii: "["), count: 100_000)
    #expect(throws: CanonicalJSONError.self) { try CanonicalJSON(canonical: deep) }
  }
}
