import CryptoPrimitives
import DifferentialPrivacy
import Foundation
import Testing

/// Counts what it hands out.
struct CountingSource: RandomSource {
  var source: KeyedRandomSource
  var byteCount = 0

  init(seed: UInt64) { source = KeyedRandomSource(insecureSeed: seed) }

  mutating func fill(_ buffer: UnsafeMutableRawBufferPointer) {
    byteCount += buffer.count
    source.fill(buffer)
  }
}

struct EncodingTests {
  @Test(
    "Δ² is the formula's floor",
    arguments: [
      // (c + √k)² is the smaller term: 1 + 2 + 1 = 4 against 1 + 1/4 + 1 + 1/2 = 2.75.
      (1, 1, 1.0, 2), (4, 4, 100.0, 10_102), (100, 1, 0.25, 1), (1_000_000, 10_000, 65536.0, 4_295_035_382),
      // (0.01 + 10)² = 100.2001 against 0.0001 + 25 + 0.01 + 5.
      (100, 100, 0.01, 30),
    ])
  func deltaSquared(dimension: Int, nonZeros: Int, clip: Double, expected: Int64) throws {
    let parameters = try EncodingParameters(
      dimension: dimension, maximumNonZeros: nonZeros, clipNorm: clip, scale: 1)
    #expect(parameters.deltaSquared == expected)
  }

  @Test("every vector within the clip is accepted with probability 1 − e^(−1/2), by counting all roundings")
  func acceptanceByBruteForce() throws {
    var random = KeyedRandomSource(insecureSeed: 5)
    for k in 1...10 {
      for clip in [0.6, 1.0, 2.5, 7.0, 40.0] {
        for trial in 0..<12 {
          // Random directions, and the vector of equal entries.
          var x = (0..<k).map { _ in trial == 0 ? 1.0 : Double(random.uniform(below: 2001)) - 1000 }
          let norm = x.reduce(0) { $0 + $1 * $1 }.squareRoot()
          if norm == 0 { continue }
          x = x.map { $0 / norm * clip * (1 - 1e-12) }
          let parameters = try EncodingParameters(
            dimension: k, maximumNonZeros: k, clipNorm: clip, scale: clip < 1 ? 2 : 1)
          x = x.map { $0 * parameters.scale }
          var accepted = 0.0
          for mask in 0..<(1 << k) {
            var probability = 1.0
            var squares = 0.0
            for (index, value) in x.enumerated() {
              let fraction = value - value.rounded(.down)
              let up = mask >> index & 1 == 1
              probability *= up ? fraction : 1 - fraction
              let rounded = value.rounded(.down) + (up ? 1 : 0)
              squares += rounded * rounded
            }
            if squares <= Double(parameters.deltaSquared) { accepted += probability }
          }
          #expect(accepted >= 1 - exp(-0.5) - 1e-9, "k \(k), clip \(clip), vector \(x)")
        }
      }
    }
  }

  @Test func aHundredThousandEntriesAreAcceptedAfterAFewAttempts() throws {
    let k = 100_000
    let parameters = try EncodingParameters(dimension: k, maximumNonZeros: k, clipNorm: 1, scale: 100)
    var encoder = UpdateEncoder(parameters: parameters)
    var random = CountingSource(seed: 1)
    let values = [Float](repeating: 1, count: k)
    for _ in 0..<50 {
      let update = encoder.encode(encoder.clip(indices: nil, values: values), random: &random)
      #expect(update.squaredNorm <= parameters.deltaSquared)
      #expect(update.squaredNorm > 0)
    }
    // 16 bytes an attempt; 0.39 or more are accepted.
    #expect(random.byteCount / 16 < 200)
    // With Δ = c every attempt would fail: the norm of a rounded vector is about √(c² + k/6) here.
    #expect(Double(parameters.deltaSquared) > 100 * 100 + Double(k) / 6)
  }

  @Test func aVectorThatCannotBeRoundedWithinTheBoundIsTruncated() throws {
    // The plan says one non-zero entry, the user has ten thousand: never accepted, so truncated, here to zero.
    let parameters = try EncodingParameters(dimension: 10_000, maximumNonZeros: 1, clipNorm: 1, scale: 10)
    var encoder = UpdateEncoder(parameters: parameters)
    var random = CountingSource(seed: 2)
    let clipped = encoder.clip(indices: nil, values: [Float](repeating: 1, count: 10_000))
    let update = encoder.encode(clipped, random: &random)
    #expect(random.byteCount == 32 * 16)
    #expect(update.denseValues == [Int32](repeating: 0, count: 10_000))
  }

  @Test func longMessagesAreClippedOnceAsAWhole() throws {
    let parameters = try EncodingParameters(dimension: 4, maximumNonZeros: 4, clipNorm: 1, scale: 1_000_000)
    var encoder = UpdateEncoder(parameters: parameters)
    var random = KeyedRandomSource(insecureSeed: 3)
    let clipped = encoder.clip(indices: nil, values: [3, 0, -4, 0])
    #expect(clipped.wasClipped)
    let values = encoder.encode(clipped, random: &random).denseValues
    #expect(
      abs(values[0] - 600_000) <= 1 && values[1] == 0 && abs(values[2] + 800_000) <= 1 && values[3] == 0)
    #expect(!encoder.clip(indices: nil, values: [0.3, 0, -0.4, 0]).wasClipped)
  }

  @Test(
    "a message that is no vector of numbers counts as zero",
    arguments: [
      [Float.nan, 1, 1], [Float.infinity, 0, 0], [-Float.infinity, Float.infinity, 0], [0, 0, 0],
      [Float.leastNonzeroMagnitude, 0, 0],
    ])
  func badNumbers(values: [Float]) throws {
    let parameters = try EncodingParameters(dimension: 3, maximumNonZeros: 3, clipNorm: 1, scale: 256)
    var encoder = UpdateEncoder(parameters: parameters)
    var sum = Contribution(parameters: parameters)
    var random = KeyedRandomSource(insecureSeed: 4)
    encoder.add(indices: nil, values: values, to: &sum, random: &random)
    encoder.add(indices: [2, 0, 1], values: values, to: &sum, random: &random)
    encoder.add(indices: [], values: [], to: &sum, random: &random)
    encoder.add(indices: nil, values: [], to: &sum, random: &random)
    #expect(sum.exactValues == [0, 0, 0])
  }

  @Test func theLargestFloatsAreClippedLikeOthers() throws {
    let parameters = try EncodingParameters(dimension: 3, maximumNonZeros: 3, clipNorm: 1, scale: 1_048_576)
    var encoder = UpdateEncoder(parameters: parameters)
    var random = KeyedRandomSource(insecureSeed: 4)
    let big = Float.greatestFiniteMagnitude
    let update = encoder.encode(encoder.clip(indices: nil, values: [big, -big, big]), random: &random)
    let expected = 1_048_576 / 3.0.squareRoot()
    for (value, sign) in zip(update.denseValues, [1.0, -1.0, 1.0]) {
      let error: Double = Double(value) - sign * expected
      #expect(abs(error) < 3)
    }
  }

  @Test func roundingIsUnbiasedAndItsCoinsAreIndependentBetweenUsers() throws {
    let k = 400
    let parameters = try EncodingParameters(dimension: k, maximumNonZeros: k, clipNorm: 1, scale: 100)
    var encoder = UpdateEncoder(parameters: parameters)
    var sum = Contribution(parameters: parameters)
    var random = KeyedRandomSource(insecureSeed: 6)
    let values = (0..<k).map { Float(sin(Double($0) * 1.7)) * 0.05 }
    let users = 2000
    var previous = [Int32](repeating: 0, count: k)
    var products = 0.0
    for _ in 0..<users {
      let update = encoder.encode(encoder.clip(indices: nil, values: values), random: &random)
      sum.add(update)
      let rounded = update.denseValues
      for index in 0..<k {
        let exact = Double(values[index]) * 100
        products += (Double(rounded[index]) - exact) * (Double(previous[index]) - exact)
      }
      previous = rounded
    }
    // Deviations of sums of `users` coins, standardised: mean 0, variance 1, no outliers.
    var chiSquared = 0.0
    for index in 0..<k {
      let exact = Double(values[index]) * 100
      let fraction = exact - exact.rounded(.down)
      guard fraction > 0.01, fraction < 0.99 else { continue }
      let deviation =
        (Double(sum.exactValues[index]) - exact * Double(users))
        / (Double(users) * fraction * (1 - fraction)).squareRoot()
      #expect(abs(deviation) < 5.5)
      chiSquared += deviation * deviation
    }
    #expect(chiSquared < Statistics.chiSquaredLimit(k))
    // Each product has a variance of at most 1/16, and of about 1/36.
    #expect(abs(products) < 5 * (Double(users * k) / 16).squareRoot() + Double(k) * 10)
  }

  @Test func sparseAndDenseMessagesAddUpToTheSameSum() throws {
    let parameters = try EncodingParameters(dimension: 50, maximumNonZeros: 50, clipNorm: 10, scale: 1)
    var encoder = UpdateEncoder(parameters: parameters)
    var sparse = Contribution(parameters: parameters)
    var dense = Contribution(parameters: parameters)
    var random = KeyedRandomSource(insecureSeed: 7)
    // Whole numbers round to themselves.
    for user in 0..<20 {
      let indices: [UInt32] = [UInt32(user), UInt32(49 - user), 3 * UInt32(user % 7) + 1].reduce(into: []) {
        if !$0.contains($1) { $0.append($1) }
      }
      let values = indices.map { Float(Int($0) % 5 - 2) }
      var full = [Float](repeating: 0, count: 50)
      for (index, value) in zip(indices, values) { full[Int(index)] = value }
      encoder.add(indices: indices, values: values, to: &sparse, random: &random)
      encoder.add(indices: nil, values: full, to: &dense, random: &random)
    }
    #expect(sparse.exactValues == dense.exactValues)
    #expect(sparse.exactValues.contains { $0 != 0 })
    var both = sparse
    both.add(dense)
    #expect(both.exactValues == sparse.exactValues.map { 2 * $0 })
    #expect(sparse.residues(bits: 20).map { centred($0, bits: 20) } == sparse.exactValues)
    #expect(sparse.residues32(bits: 20).map { centred(UInt64($0), bits: 20) } == sparse.exactValues)
  }

  @Test func twoValuesForOneEntryStopTheProgram() async {
    await #expect(processExitsWith: .failure) {
      let parameters = try EncodingParameters(dimension: 5, maximumNonZeros: 5, clipNorm: 1, scale: 100)
      var encoder = UpdateEncoder(parameters: parameters)
      _ = encoder.clip(indices: [3, 1, 3], values: [0.5, 0.5, 0.5])
    }
  }

  @Test(
    "parameters out of range are refused with a sentence",
    arguments: [
      (0, 1, 1.0, 1.0, "entries"), (5, 0, 1.0, 1.0, "non-zero"), (5, 6, 1.0, 1.0, "non-zero"),
      (5, 5, 0.0, 1.0, "clip norm"), (5, 5, .nan, 1.0, "clip norm"), (5, 5, 1.0, -1.0, "scale"),
      (5, 5, 1.0, .infinity, "scale"), (5, 5, 1.0, 1e12, "smaller scale"), (5, 1, 1e-9, 1e-9, "larger scale"),
    ])
  func refusals(dimension: Int, nonZeros: Int, clip: Double, scale: Double, word: String) throws {
    let error = #expect(throws: PrivacyParameterError.self) {
      try EncodingParameters(dimension: dimension, maximumNonZeros: nonZeros, clipNorm: clip, scale: scale)
    }
    #expect(error?.description.contains(word) == true)
  }

  @Test func theSuggestedScaleKeepsTheOverheadOfRoundingSmall() throws {
    for k in [1, 100, 320_000] {
      for z in [0.0, 0.5, 4.0] {
        let scale = try EncodingParameters.smallestScale(
          dimension: 320_000, maximumNonZeros: k, clipNorm: 0.8, noiseMultiplier: z)
        let parameters = try EncodingParameters(
          dimension: 320_000, maximumNonZeros: k, clipNorm: 0.8, scale: scale)
        #expect(Double(parameters.deltaSquared).squareRoot() <= 1.005 * parameters.clipInGridUnits)
        if z > 0 { #expect(z * Double(parameters.deltaSquared).squareRoot() >= 64) }
      }
    }
  }

  @Test func encodingParametersSurviveJSONAndAForgedDeltaDoesNot() throws {
    let parameters = try EncodingParameters(dimension: 9, maximumNonZeros: 4, clipNorm: 1.5, scale: 64)
    let json = try JSONEncoder().encode(parameters)
    #expect(try JSONDecoder().decode(EncodingParameters.self, from: json) == parameters)
    let text = String(decoding: json, as: UTF8.self)
    let forged = text.replacingOccurrences(
      of: "\(parameters.deltaSquared)", with: "\(parameters.deltaSquared - 1)")
    #expect(forged != text)
    #expect(throws: (any Error).self) {
      try JSONDecoder().decode(EncodingParameters.self, from: Data(forged.utf8))
    }
  }
}
