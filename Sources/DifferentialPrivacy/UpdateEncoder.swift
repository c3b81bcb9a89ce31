internal import CVectorKernels
public import CryptoPrimitives

/// Turns users' real vectors into integers and adds them up: clip, round, check, add (privacy.md §2, steps 1-3).
///
/// One encoder per release and thread; it owns the scratch memory, so that no user costs an allocation. The chain of
/// types is the guard: only a `ClippedUpdate` can be encoded, only an `EncodedUpdate` can enter a `Contribution`.
///
/// Rounding coins come from a fast generator that is keyed afresh, from the random source, for every attempt of every
/// user. Sensitivity is Δ whatever the coins are; fresh keys make one user's coins independent of whether another
/// user is there.
public struct UpdateEncoder: Sendable {
  public let parameters: EncodingParameters
  private var rounded: [Int32] = []
  private var seen: [UInt64] = []

  public init(parameters: EncodingParameters) { self.parameters = parameters }

  /// Clips one user's whole message, once, to the L2 norm C.
  ///
  /// A message that is empty, tiny, not a number or infinite becomes the zero vector.
  ///
  /// - Parameters:
  ///   - indices: distinct entries in `0..<dimension`, in any order; `nil` when `values` holds all entries.
  ///   - values: the message, in units of contributions; as many as `indices`, or `dimension`, or none at all.
  public mutating func clip(indices: [UInt32]?, values: [Float]) -> ClippedUpdate {
    if values.isEmpty { return ClippedUpdate(zero: parameters) }
    if let indices {
      precondition(indices.count == values.count, "a sparse message needs one index for each value")
      requireDistinct(indices)
    } else {
      precondition(values.count == parameters.dimension, "a dense message needs a value for each entry")
    }
    let squares = values.withUnsafeBufferPointer { tacit_sum_of_squares($0.baseAddress!, $0.count) }
    guard squares.isFinite else { return ClippedUpdate(zero: parameters) }
    let norm = squares.squareRoot() * Self.outwardMargin
    guard norm >= Self.tiny else { return ClippedUpdate(zero: parameters) }
    let wasClipped = norm > parameters.clipNorm
    return ClippedUpdate(
      parameters: parameters, indices: indices ?? [], values: values,
      factor: wasClipped ? parameters.clipNorm / norm : 1, wasClipped: wasClipped)
  }

  /// Rounds a clipped message to the grid, stochastically and without bias, until the integers obey Δ².
  ///
  /// After 32 failures (probability below e^(−16) when the plan's k is true) it rounds towards zero instead.
  public mutating func encode(_ update: ClippedUpdate, random: inout some RandomSource) -> EncodedUpdate {
    precondition(update.parameters == parameters, "an update is encoded by the parameters it was clipped by")
    if update.isZero { return EncodedUpdate(zero: parameters) }
    let count = update.values.count
    if rounded.count != count { rounded = [Int32](repeating: 0, count: count) }
    let factor = update.factor * parameters.scale
    var attempt = 0
    while attempt <= Self.attempts {
      var key: (UInt64, UInt64) = (0, 0)
      let truncate = attempt == Self.attempts
      if !truncate { withUnsafeMutableBytes(of: &key) { random.fill($0) } }
      let squaredNorm = update.values.withUnsafeBufferPointer { values in
        rounded.withUnsafeMutableBufferPointer { output in
          truncate
            ? tacit_truncate(output.baseAddress!, values.baseAddress!, count, factor)
            : tacit_round_stochastically(
              output.baseAddress!, values.baseAddress!, count, factor, key.0, key.1)
        }
      }
      if squaredNorm <= parameters.deltaSquared {
        return EncodedUpdate(
          parameters: parameters, indices: update.indices, values: rounded, squaredNorm: squaredNorm)
      }
      attempt += 1
    }
    return EncodedUpdate(zero: parameters)
  }

  /// Clips, encodes and adds one user's whole message.
  ///
  /// - Returns: whether the message was clipped. Private: it must not leave the partner except through a release.
  @discardableResult
  public mutating func add(
    indices: [UInt32]?, values: [Float], to contribution: inout Contribution, random: inout some RandomSource
  ) -> Bool {
    let clipped = clip(indices: indices, values: values)
    contribution.add(encode(clipped, random: &random))
    return clipped.wasClipped
  }

  /// Two entries with one index would add up to more than their squares say.
  private mutating func requireDistinct(_ indices: [UInt32]) {
    let words = (parameters.dimension + 63) / 64
    if seen.count != words { seen = [UInt64](repeating: 0, count: words) }
    let dimension = parameters.dimension
    let distinct = seen.withUnsafeMutableBufferPointer { seen in
      var distinct = true
      for index in indices {
        precondition(Int(index) < dimension, "an index of a message must lie inside the release")
        let bit: UInt64 = 1 << UInt64(index & 63)
        if seen[Int(index >> 6)] & bit != 0 { distinct = false }
        seen[Int(index >> 6)] |= bit
      }
      for index in indices { seen[Int(index >> 6)] = 0 }
      return distinct
    }
    precondition(distinct, "the indices of a message must be distinct")
  }

  /// How often rounding is tried before it truncates.
  static let attempts = 32
  /// Covers the rounding errors of a sum of up to 2^31 squares in Double: the computed norm is never too small.
  static let outwardMargin = 1 + 0x1p-20
  /// Norms below this are taken for zero.
  static let tiny = 0x1p-120
}
