internal import Glibc
internal import SecureAggregation

/// Messages between the clients of an attempt and its server in another process: for each the participant (4 bytes), the length (4
/// bytes), then the bytes. A participant of 0 is the process at the other end.
public final class AggregationPipe {
  private let input: UnsafeMutablePointer<FILE>
  private let output: UnsafeMutablePointer<FILE>

  /// What is said beside messages.
  enum Word: UInt8 {
    /// Everybody has answered this stage, or has been told of it.
    case stageIsOver = 1
    /// Everybody's advertisements, which the clients' process has: a list of thousands is longer than a message may be.
    case allAdvertisements = 2
    /// What follows is the end: a sum, or nothing.
    case end = 3
  }

  enum Event {
    case message(ParticipantID, [UInt8])
    case word(Word, [UInt8])
  }

  /// - Returns: `nil` when a descriptor cannot be opened.
  public init?(reading: Int32, writing: Int32) {
    guard let input = fdopen(reading, "r"), let output = fdopen(writing, "w") else { return nil }
    self.input = input
    self.output = output
  }

  deinit {
    fclose(input)
    fclose(output)
  }

  func send(_ bytes: [UInt8], of participant: ParticipantID) { write(participant.rawValue, bytes) }

  func send(_ word: Word, _ bytes: [UInt8] = []) {
    write(0, [word.rawValue] + bytes)
    fflush(output)
  }

  private func write(_ number: UInt32, _ bytes: [UInt8]) {
    withUnsafeBytes(of: (number.littleEndian, UInt32(bytes.count).littleEndian)) { _ = fwrite($0.baseAddress, 1, 8, output) }
    bytes.withUnsafeBytes { _ = fwrite($0.baseAddress, 1, $0.count, output) }
  }

  /// - Returns: `nil` when the other end is gone.
  func next() -> Event? {
    var head: (UInt32, UInt32) = (0, 0)
    guard fread(&head, 1, 8, input) == 8 else { return nil }
    let count = Int(UInt32(littleEndian: head.1))
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { $1 = fread($0.baseAddress, 1, count, input) }
    guard bytes.count == count else { return nil }
    let number = UInt32(littleEndian: head.0)
    if number > 0 { return .message(ParticipantID(number), bytes) }
    guard let first = bytes.first, let word = Word(rawValue: first) else { return nil }
    return .word(word, Array(bytes.dropFirst()))
  }
}
