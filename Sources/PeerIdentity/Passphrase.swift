public import CryptoPrimitives
internal import Glibc

/// Where the passphrase of sealed key files comes from. Never a flag or an environment variable: other users could read
/// those.
public enum PassphraseSource: Sendable, Equatable {
  /// None: key files rest on their permissions.
  case none
  /// A file for its owner alone, or one that the service manager put into `$CREDENTIALS_DIRECTORY` (systemd's
  /// `LoadCredential=`); one line end after the passphrase is passed over.
  case file(String)
  /// The terminal, without echo.
  case terminal(prompt: String)

  /// The file `name` among the service manager's credentials, when there is one.
  public static func credential(_ name: String) -> PassphraseSource? {
    guard let folder = credentialsFolder else { return nil }
    let path = "\(folder)/\(name)"
    return access(path, F_OK) == 0 ? .file(path) : nil
  }

  /// Reads the passphrase; 1 to 1024 bytes.
  ///
  /// - Throws: `PeerIdentityError` of kind `passphraseNeeded` when there is none, or what is wrong with the file.
  public func read() throws -> SecretBytes {
    let passphrase: SecretBytes
    switch self {
    case .none:
      throw PeerIdentityError(
        .passphraseNeeded, "the key file is sealed with a passphrase and none was given; name a file that holds it")
    case .file(let path):
      let isCredential = Self.credentialsFolder.map { path.hasPrefix($0 + "/") } ?? false
      passphrase = Self.withoutLineEnd(
        try PrivateFile.read(
          path, what: "the passphrase file", countMax: Self.countMax + 2, rule: isCredential ? .credential : .ownerOnly))
    case .terminal(let prompt):
      passphrase = try Self.ask(prompt)
    }
    guard (1...Self.countMax).contains(passphrase.count) else {
      throw PeerIdentityError(
        .passphraseNeeded, "the passphrase has \(passphrase.count) bytes, expected 1 to \(Self.countMax)")
    }
    return passphrase
  }

  private static let countMax = 1024

  private static var credentialsFolder: String? { getenv("CREDENTIALS_DIRECTORY").map { String(cString: $0) } }

  private static func withoutLineEnd(_ text: SecretBytes) -> SecretBytes {
    text.withUnsafeBytes { bytes in
      var end = bytes.count
      if end > 0, bytes[end - 1] == UInt8(ascii: "\n") { end -= 1 }
      if end > 0, end < bytes.count, bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
      return end == bytes.count ? text : SecretBytes(copying: UnsafeRawBufferPointer(rebasing: bytes[..<end]))
    }
  }

  private static func ask(_ prompt: String) throws -> SecretBytes {
    let terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)
    guard terminal >= 0 else {
      throw PeerIdentityError(
        .passphraseNeeded, "a passphrase is needed and there is no terminal to ask for it; name a file that holds it")
    }
    defer { close(terminal) }
    var before = termios()
    guard tcgetattr(terminal, &before) == 0 else { throw PrivateFile.failure("looking at", "/dev/tty") }
    var silent = before
    silent.c_lflag &= ~tcflag_t(ECHO)
    tcsetattr(terminal, TCSAFLUSH, &silent)
    defer {
      tcsetattr(terminal, TCSAFLUSH, &before)
      _ = write(terminal, "\n", 1)
    }
    _ = prompt.withCString { write(terminal, $0, strlen($0)) }
    var line = [UInt8](repeating: 0, count: countMax + 1)
    defer { wipe(&line) }
    var count = 0
    while count < line.count {
      let result = line.withUnsafeMutableBytes { Glibc.read(terminal, $0.baseAddress.map { $0 + count }, 1) }
      if result < 0, errno == EINTR { continue }
      guard result == 1, line[count] != UInt8(ascii: "\n") else { break }
      count += 1
    }
    return line.withUnsafeBytes { SecretBytes(copying: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
  }
}
