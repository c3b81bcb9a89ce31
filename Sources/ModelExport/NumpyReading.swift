public import Recommender

extension NumpyArray {
  /// The longest header that is read.
  static let headerSizeMax = 1 << 16

  /// Reads a table: format versions 1 to 3, float16, float32 or float64, little-endian, row-major, two-dimensional.
  ///
  /// - Parameter file: the name for messages.
  /// - Throws: `ModelFileError` for anything else, for bytes that are missing or too many, and for numbers that no Float32 holds.
  public static func decode(_ bytes: [UInt8], file: String) throws -> Tensor {
    func fail(_ found: String, _ expected: String) -> ModelFileError {
      ModelFileError(file: file, found: found, expected: expected)
    }
    guard bytes.count >= 10, bytes.starts(with: [0x93] + Array("NUMPY".utf8)) else {
      throw fail("\(bytes.count) bytes that do not begin as NumPy writes them", "a .npy file, as numpy.save writes it")
    }
    let version = bytes[6]
    guard (1...3).contains(version) else { throw fail("format version \(version)", "1, 2 or 3") }
    let width = version == 1 ? 2 : 4
    guard bytes.count >= 8 + width else { throw fail("\(bytes.count) bytes", "a whole header") }
    let length = (0..<width).reduce(0) { $0 | Int(bytes[8 + $1]) << (8 * $1) }
    let start = 8 + width + length
    guard length <= headerSizeMax, start <= bytes.count else {
      throw fail(
        "a header of \(length) bytes in a file of \(bytes.count)", "one of at most \(headerSizeMax) that fits into the file")
    }
    guard let text = String(validating: bytes[8 + width..<start], as: UTF8.self), let header = Header(text) else {
      throw fail("a header that is not understood", "a dictionary of descr, fortran_order and shape")
    }
    guard let type = EntryType(rawValue: header.type) else {
      throw fail("entries of type '\(header.type)'", "'<f2', '<f4' or '<f8': save with array.astype('<f4')")
    }
    guard !header.isColumnMajor else {
      throw fail("an array in Fortran's order", "one row after the other: save with numpy.ascontiguousarray(array)")
    }
    guard header.shape.count == 2 else {
      throw fail("an array of \(header.shape.count) dimensions", "a table with a row for each item")
    }
    let entries = header.shape[0].multipliedReportingOverflow(by: header.shape[1])
    let size = entries.partialValue.multipliedReportingOverflow(by: type.width)
    guard !entries.overflow, !size.overflow, size.partialValue == bytes.count - start else {
      throw fail(
        "\(bytes.count - start) bytes of data for \(header.shape[0]) × \(header.shape[1]) entries of \(type.width) bytes",
        "exactly as many as the header names: the file is cut off, or has something behind the array")
    }
    let values = bytes.withUnsafeBytes { bytes in
      (0..<entries.partialValue).map { type.value(bytes, start + $0 * type.width) }
    }
    if let bad = values.firstIndex(where: { !$0.isFinite }) {
      throw fail(
        "\(values[bad]) in row \(bad / header.shape[1]), column \(bad % header.shape[1]) (counted from 0)",
        "finite numbers in the range of float32")
    }
    return Tensor(shape: header.shape, values: values)
  }

  /// Reads a file.
  public static func read(path: String) throws -> Tensor { try decode(readFile(path), file: path) }

  private enum EntryType: String {
    case half = "<f2"
    case single = "<f4"
    case double = "<f8"

    var width: Int {
      switch self {
      case .half: 2
      case .single: 4
      case .double: 8
      }
    }

    func value(_ bytes: UnsafeRawBufferPointer, _ position: Int) -> Float {
      switch self {
      case .half:
        Float(Float16(bitPattern: UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt16.self))))
      case .single:
        Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self)))
      case .double:
        Float(Double(bitPattern: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))))
      }
    }
  }

  /// The three members of the header, a Python dictionary: `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
  private struct Header {
    let type: String
    let isColumnMajor: Bool
    let shape: [Int]

    /// - Returns: `nil` unless the text is exactly such a dictionary, each member once.
    init?(_ text: String) {
      var rest = Substring(text)
      func skip() { rest = rest.drop { $0 == " " || $0 == "\n" } }
      func take(_ mark: Character) -> Bool {
        skip()
        guard rest.first == mark else { return false }
        rest.removeFirst()
        return true
      }
      func quoted() -> String? {
        skip()
        guard let mark = rest.first, mark == "'" || mark == "\"" else { return nil }
        rest.removeFirst()
        guard let end = rest.firstIndex(of: mark) else { return nil }
        defer { rest = rest[rest.index(after: end)...] }
        return String(rest[..<end])
      }
      func word() -> String {
        skip()
        let word = rest.prefix { $0.isLetter }
        rest = rest.dropFirst(word.count)
        return String(word)
      }
      func extents() -> [Int]? {
        guard take("(") else { return nil }
        var extents: [Int] = []
        while !take(")") {
          skip()
          let digits = rest.prefix { $0.isASCII && $0.isNumber }
          guard !digits.isEmpty, let extent = Int(digits), extents.count < 32 else { return nil }
          extents.append(extent)
          rest = rest.dropFirst(digits.count)
          if !take(",") {
            guard take(")") else { return nil }
            break
          }
        }
        return extents
      }
      var (type, order, shape): (String?, Bool?, [Int]?)
      guard take("{") else { return nil }
      while !take("}") {
        guard let name = quoted(), take(":") else { return nil }
        switch name {
        case "descr" where type == nil:
          guard let found = quoted() else { return nil }
          type = found
        case "fortran_order" where order == nil:
          switch word() {
          case "True": order = true
          case "False": order = false
          default: return nil
          }
        case "shape" where shape == nil:
          guard let found = extents() else { return nil }
          shape = found
        default: return nil
        }
        if !take(",") {
          guard take("}") else { return nil }
          break
        }
      }
      skip()
      guard rest.isEmpty, let type, let order, let shape else { return nil }
      (self.type, isColumnMajor, self.shape) = (type, order, shape)
    }
  }
}
