/// A released model as partners download it: the coordinator's signed statement and the model that it speaks of.
///
/// Length of the statement (UInt32), its bytes (`ModelRelease.encoded()`), length of the model (UInt64), its bytes
/// (`ModelBytes`); integers little-endian. The reader checks the statement's signature and the model's hash in it.
public enum ReleaseDocument {
  public static func encode(statement: [UInt8], model: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(12 + statement.count + model.count)
    withUnsafeBytes(of: UInt32(statement.count).littleEndian) { bytes += $0 }
    bytes += statement
    withUnsafeBytes(of: UInt64(model.count).littleEndian) { bytes += $0 }
    bytes += model
    return bytes
  }

  /// - Returns: `nil` unless the bytes are exactly one document.
  public static func decode(_ bytes: [UInt8]) -> (statement: [UInt8], model: [UInt8])? {
    func length(at position: Int, width: Int) -> Int? {
      guard position + width <= bytes.count else { return nil }
      let value = bytes[position..<position + width].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      return value <= UInt64(bytes.count - position - width) ? Int(value) : nil
    }
    guard let statementCount = length(at: 0, width: 4) else { return nil }
    let statementEnd = 4 + statementCount
    guard let modelCount = length(at: statementEnd, width: 8), statementEnd + 8 + modelCount == bytes.count else { return nil }
    return (Array(bytes[4..<statementEnd]), Array(bytes[(statementEnd + 8)...]))
  }
}
