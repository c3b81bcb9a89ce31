internal import Glibc
internal import Recommender

/// The first value of a text column that is not blank, for each user or item; every distinct text is kept once.
struct FirstValues {
  private var texts = IdentifierTable()
  /// The distinct texts as strings that share their memory.
  private var strings: [String] = []
  /// User or item number → index of its text + 1, 0 while there is none.
  private var indices: [Int32] = []
  /// Numbers that were named with several values.
  private(set) var conflicting = Set<Int32>()

  /// Whether no number was named yet, be it with a blank value.
  var isEmpty: Bool { indices.isEmpty }

  /// The value of a number; empty where all were blank or the number was not named.
  subscript(number: Int32) -> String {
    guard Int(number) < indices.count, indices[Int(number)] > 0 else { return "" }
    return strings[Int(indices[Int(number)]) - 1]
  }

  func values(of numbers: [Int32]) -> [String] { numbers.map { self[$0] } }

  /// The place of a field's text, without the spaces around it, among the distinct ones, from 1; 0 for a blank field.
  mutating func place(of field: UnsafeBufferPointer<UInt8>) -> Int32 {
    let bytes = FieldValues.trimmed(field)
    guard !bytes.isEmpty else { return 0 }
    let index = texts.insert(bytes)
    if Int(index) == strings.count { strings.append(texts[index]) }
    return index + 1
  }

  /// Takes the text at a place as the value of a number that has none yet.
  mutating func keep(_ place: Int32, for number: Int32) {
    if indices.count <= Int(number) {
      indices.append(contentsOf: repeatElement(0, count: Int(number) + 1 - indices.count))
    }
    if indices[Int(number)] == 0 {
      indices[Int(number)] = place
    } else if place != 0, place != indices[Int(number)] {
      conflicting.insert(number)
    }
  }
}

/// The weights of event words as they stand in a file, each looked up once.
struct WordWeights {
  private var words: [(bytes: [UInt8], weight: Float)] = []

  /// Words that are remembered; a file that spells its events in more ways is read as well, only slower.
  private static let wordsMax = 16

  /// - Returns: `nil` when the word names no kind of event.
  mutating func weight(of word: UnsafeBufferPointer<UInt8>, _ weights: EventWeights) -> Float? {
    for known in words where known.bytes.count == word.count {
      let isEqual = known.bytes.withUnsafeBufferPointer { own in
        guard let own = own.baseAddress, let word = word.baseAddress else { return true }
        return memcmp(own, word, known.bytes.count) == 0
      }
      if isEqual { return known.weight }
    }
    guard let kind = EventKind(parsing: String(decoding: word, as: UTF8.self)) else { return nil }
    if words.count < Self.wordsMax { words.append((Array(word), weights[kind])) }
    return weights[kind]
  }
}
