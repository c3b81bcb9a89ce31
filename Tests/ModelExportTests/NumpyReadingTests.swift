import Foundation
import ModelExport
import Recommender
import Testing

/// Tables that people bring: what NumPy and safetensors write is read, and everything else is refused with a sentence.
@Suite struct NumpyReadingTests {
  static func file(
    _ header: String, version: UInt8 = 1, data: [UInt8], length: Int? = nil
  ) -> [UInt8] {
    let count = length ?? header.utf8.count
    var bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [version, 0]
    for byte in 0..<(version == 1 ? 2 : 4) { bytes.append(UInt8(truncatingIfNeeded: count >> (8 * byte))) }
    return bytes + Array(header.utf8) + data
  }

  static func header(_ type: String = "<f4", order: String = "False", shape: String = "(2, 2)") -> String {
    "{'descr': '\(type)', 'fortran_order': \(order), 'shape': \(shape), }\n"
  }

  static let four: [Float] = [1, -2, 0.5, 0]
  static let floats = four.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian, Array.init) }
  static let doubles = four.flatMap { withUnsafeBytes(of: Double($0).bitPattern.littleEndian, Array.init) }
  static let halves = four.flatMap { withUnsafeBytes(of: Float16($0).bitPattern.littleEndian, Array.init) }

  @Test(
    arguments: [
      ("float32", file(header(), data: floats)), ("float64", file(header("<f8"), data: doubles)),
      ("float16", file(header("<f2"), data: halves)), ("version 2", file(header(), version: 2, data: floats)),
      ("version 3", file(header(), version: 3, data: floats)),
      ("no last comma", file("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}", data: floats)),
      (
        "other order, other marks", file("{\"shape\": (2, 2,), \"descr\": \"<f4\", \"fortran_order\": False, }  \n", data: floats)
      ),
    ] as [(String, [UInt8])])
  func `every way to write a table is read`(name: String, bytes: [UInt8]) throws {
    #expect(try NumpyArray.decode(bytes, file: name) == Tensor(shape: [2, 2], values: Self.four))
    // Cut anywhere, it is refused.
    for count in 0..<bytes.count {
      #expect(throws: ModelFileError.self) { try NumpyArray.decode(Array(bytes.prefix(count)), file: name) }
    }
    #expect(throws: ModelFileError.self) { try NumpyArray.decode(bytes + [0], file: name) }
    // Changed anywhere, it is read or refused, and nothing is trapped by it.
    for index in bytes.indices {
      for flip in [0x01, 0x80, 0xFF] as [UInt8] {
        var changed = bytes
        changed[index] ^= flip
        _ = try? NumpyArray.decode(changed, file: name)
      }
    }
  }

  @Test func `what is exported is read again`() throws {
    let tensor = Tensor(shape: [3, 2], values: [1, 2, 3, 4, 5, 6])
    #expect(try NumpyArray.decode(NumpyArray.encode(tensor), file: "x") == tensor)
  }

  static let bad: [(what: String, bytes: [UInt8], says: String)] = [
    ("text", Array("a,b,c\n1,2,3\n".utf8), "do not begin as NumPy"),
    ("a version to come", file(header(), version: 4, data: floats), "version 4"),
    ("version 0", file(header(), version: 0, data: floats), "version 0"),
    (
      "a header that is longer than the file", file(header(), version: 2, data: floats, length: 0x7FFF_FFFF),
      "a header of 2147483647"
    ),
    ("a header longer than any", file(header(), version: 2, data: floats, length: 70_000), "a header of 70000"),
    ("integers", file(header("<i4"), data: floats), "'<i4'"),
    ("big-endian numbers", file(header(">f4"), data: floats), "'>f4'"),
    ("objects", file(header("|O"), data: floats), "'|O'"),
    ("columns first", file(header(order: "True"), data: floats), "Fortran"),
    ("one dimension", file(header(shape: "(4,)"), data: floats), "1 dimensions"),
    ("no dimension", file(header(shape: "()"), data: [0, 0, 0, 0]), "0 dimensions"),
    ("three dimensions", file(header(shape: "(1, 2, 2)"), data: floats), "3 dimensions"),
    ("fewer bytes", file(header(shape: "(2, 3)"), data: floats), "16 bytes of data for 2 × 3"),
    ("more bytes", file(header(shape: "(1, 2)"), data: floats), "16 bytes of data for 1 × 2"),
    ("a size that no memory has", file(header(shape: "(4611686018427387904, 4)"), data: floats), "16 bytes of data"),
    ("an extent of many digits", file(header(shape: "(99999999999999999999, 1)"), data: floats), "not understood"),
    ("a negative extent", file(header(shape: "(-2, -2)"), data: floats), "not understood"),
    (
      "a member twice", file("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}", data: floats),
      "not understood"
    ),
    ("a member missing", file("{'descr': '<f4', 'shape': (2, 2)}", data: floats), "not understood"),
    ("a member more", file("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), 'x': 1}", data: floats), "not understood"),
    ("named columns", file("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 2)}", data: floats), "not understood"),
    ("something behind the dictionary", file(header() + "x", data: floats), "not understood"),
    ("not a number", file(header(), data: [0, 0, 0xC0, 0x7F] + floats.dropFirst(4)), "nan in row 0, column 0"),
    ("infinity", file(header(), data: floats.dropLast(4) + [0, 0, 0x80, 0xFF]), "-inf in row 1, column 1"),
    (
      "a number beyond float32", file(header("<f8", shape: "(1, 1)"), data: [0, 0, 0, 0, 0, 0, 0, 0x7F]), "inf in row 0"
    ),
  ]

  @Test(arguments: bad.indices) func `what is no table of numbers is refused with a sentence`(index: Int) {
    let (what, bytes, says) = Self.bad[index]
    #expect {
      _ = try NumpyArray.decode(bytes, file: "x.npy")
    } throws: { error in
      let sentence = "\(error)"
      return error is ModelFileError && sentence.hasPrefix("x.npy: found") && sentence.contains(says)
        || { () -> Bool in
          Issue.record("\(what): \(sentence)")
          return false
        }()
    }
  }

  @Test func `features come from the catalogue and from files, side by side`() throws {
    let folder = FileManager.default.temporaryDirectory.path + "/tacit-features-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let catalogue = Catalogue(
      itemIDs: ["a", "b", "c"], attributes: ["kind": ["x", "x", "y"], "title": ["one", "two", "three"]])
    let table = Tensor(shape: [3, 2], values: [3, 4, 0, 0, 0, -5])
    try NumpyArray.write(table, to: "\(folder)/v.npy")
    try SafeTensors.write(["embeddings": table], to: "\(folder)/v.safetensors")
    let expected: [Float] = [0.6, 0.8, 0, 0, 0, -1]
    for name in ["v.npy", "v.safetensors"] {
      let features = try ItemFeatureSource.features([name], of: catalogue, folder: folder)
      #expect(zip(features.values, expected).allSatisfy { abs($0 - $1) < 1e-6 })
    }
    let all = try ItemFeatureSource.features(["attributes", "text", "\(folder)/v.npy"], of: catalogue)
    #expect(all.dimension == 1 + 256 + 2)
    #expect(Array(all.row(0).suffix(2)) == [0.6, 0.8])
    try ItemFeatureFile.write(all, to: folder)
    #expect(try ItemFeatureFile.read(folder: folder) == all)

    func says(_ sources: [String], _ words: String) {
      #expect {
        _ = try ItemFeatureSource.features(sources, of: catalogue, folder: folder)
      } throws: { "\($0)".contains(words) }
    }
    try NumpyArray.write(Tensor(shape: [2, 2], values: [1, 2, 3, 4]), to: "\(folder)/rows.npy")
    says(["rows.npy"], "3 rows, one for each item")
    try SafeTensors.write(["a": table, "b": table], to: "\(folder)/two.safetensors")
    says(["two.safetensors"], "2 tensors (a, b)")
    try SafeTensors.write(["a": Tensor(shape: [3], values: [1, 2, 3])], to: "\(folder)/flat.safetensors")
    says(["flat.safetensors"], "3 rows, one for each item")
    try SafeTensors.write(["a": Tensor(shape: [3, 1], values: [1, .nan, 3])], to: "\(folder)/nan.safetensors")
    says(["nan.safetensors"], "in row 1")
    try NumpyArray.write(Tensor(shape: [3, 0], values: []), to: "\(folder)/none.npy")
    says(["none.npy"], "3 rows, one for each item")
    says(["vectors.csv"], "ends in .npy or .safetensors")
    says(["missing.npy"], "missing.npy")
    says(["text", "text"], "different ones")
    says([""], "different ones")
  }
}
