public import Recommender

/// One tensor in NumPy's own format, version 1.0, Float32, little-endian, row-major (`numpy.lib.format`).
public enum NumpyArray {
  /// Bytes: `\x93NUMPY`, version 1.0, the header's length as UInt16 little-endian, a Python dictionary filled up with
  /// spaces and a line feed so that the values begin at a multiple of 64, the values.
  public static func encode(_ tensor: Tensor) -> [UInt8] {
    let shape = tensor.shape.map { "\($0)," }.joined(separator: " ")
    var header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(shape)), }"
    header += String(repeating: " ", count: (64 - (10 + header.utf8.count + 1) % 64) % 64) + "\n"
    precondition(
      header.utf8.count <= Int(UInt16.max), "a tensor of so many dimensions has no header of version 1.0")
    var bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0]
    bytes.append(UInt8(truncatingIfNeeded: header.utf8.count))
    bytes.append(UInt8(truncatingIfNeeded: header.utf8.count >> 8))
    bytes.append(contentsOf: header.utf8)
    bytes.appendLittleEndian(tensor.values)
    return bytes
  }

  /// Writes a file atomically.
  public static func write(_ tensor: Tensor, to path: String) throws {
    try AtomicFile.write(encode(tensor), to: path)
  }
}
