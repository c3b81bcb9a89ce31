internal import DifferentialPrivacy
internal import FederatedLearning
internal import Glibc
internal import Recommender

/// Where canaries point: one unit vector for each canary and release, from a public seed.
///
/// In the one-run audit canaries have a coordinate of their own where a release has room for all, so that none hides another. Else,
/// and in the one-shot audit, directions are uniform on the sphere over as many coordinates as a message may fill.
struct CanaryDirections: Sendable {
  let count: Int
  let releases: [PlannedRelease]
  let seed: UInt64
  let isIsotropic: Bool

  /// How many times too long a canary's message is: a clip that works makes it C.
  static let overdrive: Float = 8

  /// Coordinates on which the directions of a release lie.
  func span(_ round: Int) -> Int {
    let release = releases[round]
    return min(release.dimension, release.encoding?.maximumNonZeros ?? 0)
  }

  /// Whether each canary has a coordinate of its own.
  func isSeparate(_ round: Int) -> Bool { !isIsotropic && releases[round].dimension >= count }

  /// Writes one canary's message: its direction, far longer than the clip.
  func contribute(_ canary: Int, round: Int, into buffer: inout ContributionBuffer) {
    guard let encoding = releases[round].encoding else { return }
    let length = Float(encoding.clipNorm) * Self.overdrive
    let place = Placement(dimension: releases[round].dimension, seed: seed &+ UInt64(round))
    if isSeparate(round) {
      buffer.indices = [UInt32(place[canary])]
      buffer.values = [length]
      return
    }
    let span = span(round)
    let direction = uniform(canary, round: round, span: span)
    buffer.values = direction.map { Float($0) * length }
    if span == releases[round].dimension { buffer.isDense = true } else { buffer.indices = (0..<span).map { UInt32(place[$0]) } }
  }

  /// The component of a released vector along one canary's direction.
  func projection(of vector: [Double], on canary: Int, round: Int) -> Double {
    let place = Placement(dimension: releases[round].dimension, seed: seed &+ UInt64(round))
    if isSeparate(round) { return vector[place[canary]] }
    let span = span(round)
    let isDense = span == releases[round].dimension
    var sum = 0.0
    for (index, value) in uniform(canary, round: round, span: span).enumerated() {
      sum += value * vector[isDense ? index : place[index]]
    }
    return sum
  }

  /// The length of a released vector over the coordinates of the directions.
  func length(of vector: [Double], round: Int) -> Double {
    let place = Placement(dimension: releases[round].dimension, seed: seed &+ UInt64(round))
    let isDense = span(round) == releases[round].dimension
    return (0..<span(round)).reduce(0) { $0 + square(vector[isDense ? $1 : place[$1]]) }.squareRoot()
  }

  private func square(_ value: Double) -> Double { value * value }

  /// A uniform direction: normal deviates by Box and Muller, divided by their length.
  private func uniform(_ canary: Int, round: Int, span: Int) -> [Double] {
    var generator = SplitMix64(seed: SplitMix64.mix(seed ^ SplitMix64.mix(UInt64(round) << 32 | UInt64(canary))))
    var values = [Double](repeating: 0, count: span)
    var squares = 0.0
    var index = 0
    while index < span {
      let radius = (-2 * log(1 - generator.nextUnit())).squareRoot()
      let angle = 2 * Double.pi * generator.nextUnit()
      values[index] = radius * cos(angle)
      squares += values[index] * values[index]
      if index + 1 < span {
        values[index + 1] = radius * sin(angle)
        squares += values[index + 1] * values[index + 1]
      }
      index += 2
    }
    let factor = 1 / squares.squareRoot()
    for index in values.indices { values[index] *= factor }
    return values
  }
}

/// A seeded permutation of coordinates: i ↦ (a·i + b) mod d with a prime to d.
private struct Placement {
  let dimension: Int
  let factor: Int
  let offset: Int

  init(dimension: Int, seed: UInt64) {
    self.dimension = dimension
    var generator = SplitMix64(seed: SplitMix64.mix(seed ^ 0xCA7A_41E5_CA7A_41E5))
    offset = generator.uniform(below: dimension)
    var factor = 1
    repeat { factor = 1 + generator.uniform(below: dimension) } while Self.divisor(factor, dimension) != 1
    self.factor = factor
  }

  subscript(index: Int) -> Int {
    let product = factor.multipliedFullWidth(by: index)
    return (dimension.dividingFullWidth(product).remainder + offset) % dimension
  }

  private static func divisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : divisor(b, a % b) }
}
