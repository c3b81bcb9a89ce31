import DifferentialPrivacy
import Testing

/// Far from anything a plan would ask for, every accountant still gives an ordered answer.
struct ExtremeTests {
  @Test(arguments: [1e-3, 1, 1e6] as [Double], [1e-9, 0.3] as [Double])
  func boundsStayOrderedAtTheEdges(z: Double, q: Double) throws {
    for adjacency in [Adjacency.addRemove, .replaceOne] {
      for (count, delta) in [(1, 1e-3), (1, 1e-15), (100_000, 1e-6)] {
        var loss = PrivacyLoss()
        loss.add(noiseMultiplier: z, rate: q, count: count, adjacency: adjacency)
        let summary = PrivacyLossSummary(loss: loss)
        var plain = PrivacyLoss()
        plain.add(noiseMultiplier: z, count: count, adjacency: adjacency)
        // Sampling never costs more than taking part for certain.
        let certain = Accounting.epsilon(for: PrivacyLossSummary(loss: plain), delta: delta)
        let renyi = Accounting.epsilon(for: summary, delta: delta)
        let bound = try Accounting.bound(for: summary, delta: delta, parameters: .fixedByPlan)
        let name = "z \(z), q \(q), \(count) times, δ \(delta), \(adjacency)"
        #expect(bound.lowerEpsilon >= 0 && bound.lowerEpsilon <= bound.epsilon, "\(name)")
        #expect(bound.epsilon <= renyi * (1 + 1e-6) + 1e-8, "\(name): \(bound.epsilon), \(renyi)")
        #expect(bound.lowerEpsilon <= certain * (1 + 1e-6) + 1e-12, "\(name)")
      }
    }
  }
}
