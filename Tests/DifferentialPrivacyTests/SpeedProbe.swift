import CryptoPrimitives
import DifferentialPrivacy
import Foundation
import Testing

struct SpeedProbe {
  @Test(.enabled(if: ProcessInfo.processInfo.environment["TACIT_PROBE"] != nil))
  func probe() throws {
    func cpu() -> Double { Double(clock()) / Double(CLOCKS_PER_SEC) }
    var random = KeyedRandomSource()
    var t = cpu()
    let noise = DiscreteGaussianSampler(sigmaSquared: 100_000_000).draw(1_000_000, random: &random)
    print("1M draws", cpu() - t, noise[5])
    t = cpu()
    _ = random.bytes(64_000_000)
    print("64 MB of stream", cpu() - t)
    let d = 320_000
    let p = try EncodingParameters(dimension: d, maximumNonZeros: d, clipNorm: 1, scale: 65536)
    print("delta", Double(p.deltaSquared).squareRoot() / 65536)
    var encoder = UpdateEncoder(parameters: p)
    var sum = Contribution(parameters: p)
    let values = (0..<d).map { Float(sin(Double($0))) }
    t = cpu()
    for _ in 0..<200 { encoder.add(indices: nil, values: values, to: &sum, random: &random) }
    print("ns per entry", (cpu() - t) / 200 / Double(d) * 1e9)
    t = cpu()
    var clipped: ClippedUpdate?
    for _ in 0..<200 { clipped = encoder.clip(indices: nil, values: values) }
    print("clip ns per entry", (cpu() - t) / 200 / Double(d) * 1e9)
    t = cpu()
    for _ in 0..<200 { _ = encoder.encode(clipped!, random: &random) }
    print("encode ns per entry", (cpu() - t) / 200 / Double(d) * 1e9)
    t = cpu()
    let b = try PrivacyBudget(epsilon: 2, delta: 1e-6)
    let z = try Calibration.noiseMultiplier(for: b, rate: SamplingRate(0.01), count: 1000, adjacency: .addRemove)
    print("calibration", z, cpu() - t)
    t = cpu()
    var loss = PrivacyLossSummary()
    try loss.add(.repeated(event: .poissonSampled(rate: SamplingRate(0.01), release: GaussianRelease(sigmaSquared: 1_000_004, deltaSquared: 1_000_000, dimension: 10, adjacency: .addRemove)), count: 1000))
    print(try Accounting.bound(for: loss, delta: 1e-6), cpu() - t)
  }
}
