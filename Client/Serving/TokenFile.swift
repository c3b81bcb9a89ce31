internal import Foundation

/// Reads a token from a file of its owner's alone; one line end after it is passed over.
public enum TokenFile {
  /// - Throws: `ServingFailure` when the file is missing, others can read it, or it is too long.
  public static func read(_ path: String) throws -> String {
    // Of the name itself: a link is no plain file.
    guard let attributes = try? FileManager.default.attributesOfItem(atPath: path) else {
      throw ServingFailure("the token file \(path) cannot be found")
    }
    guard attributes[.type] as? FileAttributeType == .typeRegular, let size = attributes[.size] as? Int, size <= 2048 else {
      throw ServingFailure("the token file \(path) is no small plain file, expected one line")
    }
    guard let permissions = attributes[.posixPermissions] as? Int, permissions & 0o077 == 0,
      attributes[.ownerAccountID] as? Int == Int(geteuid())
    else { throw ServingFailure("others can use the token file \(path); make a new token, and run: chmod 600 \(path)") }
    guard let data = FileManager.default.contents(atPath: path), let text = String(validating: data, as: UTF8.self) else {
      throw ServingFailure("the token file \(path) cannot be read as text")
    }
    return text.trimmingCharacters(in: .newlines)
  }
}
