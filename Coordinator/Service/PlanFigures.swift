internal import DifferentialPrivacy
package import FederatedLearning

/// What a plan means for those who run it.
extension TrainingPlan {
  /// The fewest partners with whom an attempt can come to something.
  package var neededPartners: Int {
    max(aggregation.minimumSurvivors, aggregation.isSecure ? aggregation.threshold : 0)
  }

  /// For each release: the noise's standard deviation over the most by which one user can move the sum; empty without noise.
  package var noiseRatios: [Double] {
    releases.compactMap { release in release.encoding.map { release.noiseDeviation / $0.clipNorm } }
  }
}
