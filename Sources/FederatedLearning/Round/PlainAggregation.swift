internal import SecureAggregation

/// The sum without masks, for simulations that switch secure aggregation off.
struct PlainAggregation: Sendable {
  let parameters: AggregationParameters
  let context: AttemptContext
  private(set) var sum: RingVector
  private(set) var survivors: [ParticipantID] = []

  init(parameters: AggregationParameters, context: AttemptContext) {
    self.parameters = parameters
    self.context = context
    sum = RingVector(count: parameters.dimension, modulusBits: parameters.modulusBits)
  }

  /// Adds one partner's sum, once.
  mutating func receive(_ message: PlainSum, from sender: ParticipantID) -> Bool {
    guard message.context == context, message.participant == sender, parameters.contains(sender),
      !survivors.contains(sender), (try? sum.add(packed: message.packed)) != nil
    else { return false }
    survivors.append(sender)
    survivors.sort()
    return true
  }
}
