import CryptoPrimitives
import SecureAggregation
import Testing

/// Participants with gaps in their numbers, so that rank and number are never mistaken for each other.
func participants(_ count: Int) -> [ParticipantID] { (0..<count).map { ParticipantID(UInt32(3 + 7 * $0)) } }

/// The same attack against the same session code over both kinds of graph.
enum TestGraph: CaseIterable, CustomTestStringConvertible {
  case complete
  /// Everybody draws all others: whatever is changed on the way concerns everybody, as in the complete graph.
  case drawn

  var testDescription: String { self == .complete ? "complete graph" : "drawn graph" }
}

/// - Parameter threshold: of the complete graph; in a drawn one nobody holds shares of its own secrets, and one less is taken.
func rehearsal(
  _ count: Int, graph: TestGraph = .complete, dimension: Int = 5, modulusBits: Int = 16, threshold: Int? = nil,
  minimumSurvivors: Int? = nil,
  suite: KeystreamSuite = .aes256CTR, seed: UInt64 = 1, attempt: UInt32 = 0
) throws -> AggregationRehearsal {
  let given = threshold ?? AggregationParameters.defaultThreshold(count)
  let holders = count - 1
  let isDrawn = graph == .drawn
  return AggregationRehearsal(
    parameters: try AggregationParameters(
      participants: participants(count), threshold: isDrawn ? max(holders / 2 + 1, given - 1) : threshold,
      minimumSurvivors: minimumSurvivors ?? (isDrawn ? max(given, 3) : nil),
      dimension: dimension, modulusBits: modulusBits, suite: suite,
      graph: isDrawn ? .drawn(holders: holders, maskDraws: holders) : .complete),
    seed: seed, attempt: attempt)
}

/// Inputs that cover the whole ring, the edges included.
func inputs(_ rehearsal: AggregationRehearsal, seed: UInt64 = 7) -> [ParticipantID: RingVector] {
  var random = KeyedRandomSource(insecureSeed: seed)
  let parameters = rehearsal.parameters
  return Dictionary(
    uniqueKeysWithValues: parameters.participants.map { participant in
      var integers = (0..<parameters.dimension).map { _ in Int64(bitPattern: random.nextUInt64()) }
      integers[0] = -1
      return (participant, RingVector(integers: integers, modulusBits: parameters.modulusBits))
    })
}

/// The sum that nobody may see in production: what the protocol must give exactly.
func plainSum(
  of inputs: [ParticipantID: RingVector], over survivors: some Sequence<ParticipantID>,
  _ parameters: AggregationParameters
) -> RingVector {
  var sum = RingVector(count: parameters.dimension, modulusBits: parameters.modulusBits)
  for survivor in survivors { if let input = inputs[survivor] { sum.add(input) } }
  return sum
}

/// All subsets of a small list.
func subsets<Element>(of elements: [Element]) -> [[Element]] {
  (0..<1 << elements.count).map { bits in elements.indices.filter { bits >> $0 & 1 == 1 }.map { elements[$0] }
  }
}

extension ShareValue {
  /// Least significant limb first.
  var elements: [UInt64] { (0..<SecretSharing.limbCount).map { element($0) } }
}

extension FixedBytes {
  /// The same bytes but for the lowest bit of one of them.
  func flipped(at index: Int = 0) -> Self {
    var changed = bytes
    changed[index] ^= 1
    guard let value = Self(bytes: changed) else { preconditionFailure("a flipped bit keeps the length") }
    return value
  }
}
