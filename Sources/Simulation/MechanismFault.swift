internal import DifferentialPrivacy
internal import FederatedLearning
internal import SecureAggregation

/// A mechanism that is not the plan's: what an audit is there to find.
///
/// A faulty program signs and hashes the plan that everybody signs, and understands another (`PlanFile(_:misreadAs:)`); a stream
/// of chance that begins anew is put under the engines' `RandomSource`. Nothing is edited afterwards.
public enum MechanismFault: String, Sendable, Equatable, CaseIterable {
  case none
  /// Whoever draws noise draws it with half of σ.
  case halfDeviation = "half-sigma"
  /// Partners clip nothing that is shorter than 1024 C; in training releases only, since what an evaluation clips at is no choice.
  case missingClip = "missing-clip"
  /// The streams of noise begin anew in every round.
  case reusedSeed = "reused-seed"
  /// The last partner of the roster leaves its noise share out; nothing under central noise.
  case missingShare = "missing-share"

  /// The plan as the coordinator's program understands it.
  func coordinatorReading(of file: PlanFile) -> PlanFile {
    guard self == .halfDeviation, file.plan.privacy.noise == .central else { return file }
    return misread(file) { release in
      release.noise = release.noise.flatMap {
        try? GaussianNoise(central: max(4096, $0.sigmaSquared / 4), deltaSquared: $0.deltaSquared, dimension: $0.dimension)
      }
    }
  }

  /// The plan as one partner's program understands it.
  func reading(of file: PlanFile, by participant: ParticipantID) -> PlanFile {
    switch self {
    case .halfDeviation where file.plan.privacy.noise == .distributed:
      return misread(file) { release in
        guard let noise = release.noise, let share = noise.share else { return }
        let quarter = try? NoiseShare(
          variance: max(8, share.variance / 4), minimumContributors: share.minimumContributors, colluders: share.colluders)
        release.noise = quarter.flatMap {
          try? GaussianNoise(distributed: $0, deltaSquared: noise.deltaSquared, dimension: noise.dimension)
        }
      }
    case .missingClip:
      return misread(file) { release in
        guard let encoding = release.encoding, release.purpose == .training else { return }
        release.encoding = Self.widened(encoding)
      }
    case .missingShare where file.plan.roster.last?.participant == participant.rawValue:
      return misread(file) { release in
        release.noise = release.noise.flatMap {
          try? GaussianNoise(central: $0.sigmaSquared, deltaSquared: $0.deltaSquared, dimension: $0.dimension)
        }
      }
    case .none, .halfDeviation, .reusedSeed, .missingShare: return file
    }
  }

  /// The same grid with the widest clip up to 1024 C that fits it.
  private static func widened(_ encoding: EncodingParameters) -> EncodingParameters {
    var factor = 1024.0
    while factor > 1 {
      if let wide = try? EncodingParameters(
        dimension: encoding.dimension, maximumNonZeros: encoding.maximumNonZeros, clipNorm: encoding.clipNorm * factor,
        scale: encoding.scale)
      {
        return wide
      }
      factor /= 2
    }
    return encoding
  }

  private func misread(_ file: PlanFile, _ change: (inout PlannedRelease) -> Void) -> PlanFile {
    var plan = file.plan
    for index in plan.releases.indices { change(&plan.releases[index]) }
    // The faulty program does not stop over what its own understanding would cost.
    plan.privacy.epsilon *= 1000
    return PlanFile(file, misreadAs: plan)
  }
}
