import Foundation
import Reporting

/// Reports for the tests: one with every value present, one with the least that a report can be.
///
/// The figures are invented and stand for nothing; no test reads meaning into them.
enum SampleReport {
  static let partners = ["Alpine", "Benelux", "France", "Germany", "Iberia", "Nordics", "United Kingdom"]

  static let complete = RunReport(
    identity: identity, privacy: privacy, utility: utility, cost: cost,
    hazards: [
      Hazard(kind: .simulation, text: "One process played all parties; nothing crossed a network."),
      Hazard(kind: .exactTables, text: "The quality tables are exact; a real federation prints noised ones."),
      Hazard(
        kind: .samplerTiming, text: "The time of a noise draw varies with its value; partners do not time it."
      ),
    ],
    commands: [
      ReportCommand(purpose: "Check ledger, signatures and ε", command: "tacit verify runs/demo"),
      ReportCommand(
        purpose: "Run it again",
        command:
          "tacit simulate --data ../shared/data/ml-1m --partners by:partner --epsilon 4 --delta 1e-6 --seed 1"
      ),
      ReportCommand(purpose: "Render this report", command: "tacit report runs/demo"),
    ])

  static let minimal = RunReport(
    identity: RunIdentity(runID: "r"),
    privacy: PrivacyReport(
      setting: TrustSetting(noise: .none, secureAggregation: false, partnerCount: 1), unit: UnitStatement()))

  static let identity = RunIdentity(
    runID: "2026-11-21-demo", algorithm: "covariance", dataSet: "ml-1m",
    planHash: "b7e1f0c29a6d4e58b7e1f0c29a6d4e58b7e1f0c29a6d4e58b7e1f0c29a6d4e58",
    catalogueHash: "0f3c5577a1e2d4b90f3c5577a1e2d4b90f3c5577a1e2d4b90f3c5577a1e2d4b9",
    codeVersion: "0.1.0 (5586a67)", accountantName: "analytic Gaussian", accountantVersion: "1",
    signerKeyFingerprint: "9d41 77c0 3b5e 21fa", createdAt: "2026-11-21T06:00:00Z", seed: 20_261_121)

  static let privacy: PrivacyReport = {
    var privacy = unspent
    privacy.spending = [
      SpendRow(kind: .partner, name: "Alpine", charges: 9, epsilon: 3.9712, delta: 1e-6, epsilonRemaining: 0.0287),
      SpendRow(kind: .partner, name: "Benelux", charges: 8, epsilon: nil, delta: 1e-6),
      SpendRow(kind: .family, name: "covariance: counts", charges: 1, epsilon: 0.41, delta: 1e-6),
    ]
    privacy.guarantees[0].atPartners = [
      GroupGuarantee(size: 1, epsilon: 3.97121, delta: 1e-6), GroupGuarantee(size: 2, epsilon: 8.6, delta: 1e-6),
    ]
    privacy.mechanisms[0].randomness = "the operating system's generator, at every partner for its own share"
    return privacy
  }()

  private static let unspent = PrivacyReport(
    setting: TrustSetting(
      noise: .distributed, secureAggregation: true, partnerCount: 7, threshold: 5, survivorCountMin: 5,
      colluderCount: 1,
      observers: [
        Observer(
          who: "The coordinator", sees: "Which partners take part; the noised sum of each release.",
          protectedBy: "Single inputs are masked; the sum carries the partners' noise."),
        Observer(
          who: "Each partner", sees: "Its own data; every released model.",
          protectedBy: "Knows its own share of the noise, hence the second row of ε."),
        Observer(
          who: "Readers of the model and of this report", sees: "What is published.", protectedBy: nil),
      ]),
    covered: ["Every released model and every noised figure of this run, together."],
    notCovered: [
      "Which partners took part, and when.", "Network traffic and timing.",
      "The choice of hyperparameters, which was made on other data.",
    ],
    unit: UnitStatement(
      unit: .user, adjacency: .addRemove, linkage: "the user id within one partner", partnersPerUserMax: 1,
      contributionBounds: [
        "Each user's whole message of a release is clipped once to L2 norm C.",
        "After the rounding Σv² ≤ Δ² is checked in integers; a message that fails is rounded again.",
      ], distance: "Δ"),
    mechanisms: [
      ReleaseMechanism(
        name: "counts", mechanism: "discrete Gaussian", dimension: 3533, nonZeroCountMax: 400, clipNorm: 1,
        scale: 1024, rounding: "stochastic, accepted in integers", sensitivitySquared: 1_067_433,
        noiseVariance: 18_214_777_216, noiseVariancePerPartner: 4_553_694_304, noiseMultiplier: 13.0628,
        budgetShare: 0.1, timesPlanned: 1, timesCharged: 1, modulusBits: 32, wrapProbabilityLog2: -180.2,
        sampler: "every user, every round", samplingRate: 1, cohortExpected: 6000),
      ReleaseMechanism(
        name: "head covariance", mechanism: "discrete Gaussian", dimension: 180_300, nonZeroCountMax: 20_100,
        clipNorm: 1, scale: 1024, rounding: "stochastic, accepted in integers", sensitivitySquared: 1_212_002,
        noiseVariance: 2_298_112_998, noiseVariancePerPartner: 574_528_250, noiseMultiplier: 4.35432,
        budgetShare: 0.9, timesPlanned: 1, timesCharged: 2, modulusBits: 40, wrapProbabilityLog2: -61.7,
        sampler: "every user, every round", samplingRate: 1, cohortExpected: 6000),
    ],
    rounds: RoundCounts(
      planned: 8, completed: 8, abortedButCharged: 1,
      noiseContributors: NoiseContributors(min: 6, median: 7, max: 7), endedBecause: "all planned rounds ran"),
    cap: BudgetCap(epsilon: 4, delta: 1e-6, against: .outsiders),
    guarantees: [outsiders, coalition],
    ledger: LedgerExtract(
      entries: (0..<9).map { index in
        LedgerEntryExtract(
          index: index, release: index == 0 ? "counts" : "head covariance", round: index,
          attempt: index == 4 ? 1 : 0,
          epsilonAfter: [0.41, 1.13, 1.62, 2.03, 2.39, 2.73, 3.21, 3.62, 3.9712][index],
          survivorCount: 7 - index % 2,
          released: index != 4, hash: String(repeating: String(index), count: 64))
      },
      size: 9, head: String(repeating: "8", count: 64), epsilonRemaining: 0.0287,
      note: "All entries of this run."),
    tuning: TuningDisclosure(
      charged: ["None: hyperparameters are constants of the plan."],
      notCovered: ["The recipe was found on a public data set by the authors."],
      use: DataSetUse(plans: 3, searches: 1, epsilon: 6.25, delta: 1e-6)),
    publicData: ["The catalogue: item ids, named by hash in the plan.", "The roster of partners."],
    neverLeaves: [
      "Interactions and user ids.", "User vectors and recommendation lists.", "Numbers of users.",
    ],
    audit: EmpiricalAudit(
      method: "one-run audit (Steinke, Nasr, Jagielski 2023)", canaryCount: 1000, epsilonLower: 1.8377,
      delta: 1e-6,
      confidence: 0.95, note: "Canaries in a simulated run of the same plan.", epsilonProven: 3.9712,
      attacks: [
        AuditAttack(
          method: "one-run audit (Steinke, Nasr, Jagielski 2023)", verdict: .consistent, finding: "131 of 200 guesses were right",
          epsilonLower: 1.8377),
        AuditAttack(
          method: "residual test", verdict: .contradicted,
          finding: "over 100000 coordinates the noise has 0.9000 of the promised variance"),
      ]))

  static let outsiders = Guarantee(
    against: .outsiders, delta: 1e-6, epsilonUpper: 3.97121, epsilonLower: 3.97119,
    theorem: "analytic Gaussian mechanism (Balle, Wang 2018), 1/z² = Σ 1/z_j²",
    assumptions: [
      "Full participation: no amplification by sampling is claimed.", "σ² − 4 as in the rounding theorem.",
    ],
    numerics: "closed form, relative error below 1e-9", curve: curve(mu: 0.84),
    epsilonAtDelta: [
      CurvePoint(epsilon: 3.5712, delta: 1e-5), CurvePoint(epsilon: 3.97121, delta: 1e-6),
      CurvePoint(epsilon: 4.3344, delta: 1e-7), CurvePoint(epsilon: 4.6688, delta: 1e-8),
      CurvePoint(epsilon: 4.9813, delta: 1e-9), CurvePoint(epsilon: 5.2754, delta: 1e-10),
    ], rho: 0.35282, mu: 0.84003, attack: AttackReading.readings(gaussianMu: 0.84003),
    groups: [
      GroupGuarantee(size: 1, epsilon: 3.97121, delta: 1e-6),
      GroupGuarantee(size: 2, epsilon: 8.8123, delta: 1e-6),
      GroupGuarantee(size: 5, epsilon: 27.4412, delta: 1e-6),
    ])

  static let coalition = Guarantee(
    against: .coalition, delta: 1e-6, epsilonUpper: 4.5519, epsilonLower: 4.5517,
    theorem: "analytic Gaussian mechanism (Balle, Wang 2018), less one share of noise",
    assumptions: ["At most 1 partner colludes with the coordinator."], curve: curve(mu: 0.955),
    epsilonAtDelta: [CurvePoint(epsilon: 4.1011, delta: 1e-5), CurvePoint(epsilon: 4.5519, delta: 1e-6)],
    rho: 0.4561, mu: 0.9551, attack: AttackReading.readings(gaussianMu: 0.9551),
    groups: [GroupGuarantee(size: 1, epsilon: 4.5519, delta: 1e-6)])

  static let utility = UtilityReport(
    quality: QualityTable(
      provenance: .exactInSimulation,
      rows: rows(nil, users: 6040, gain: 0)
        + partners.enumerated().flatMap {
          rows($1, users: 900 - 60 * $0, gain: Double($0) * 0.011)
        },
      byActivity: [("20-44", -0.031), ("45-95", 0.0), ("96-2314", 0.042)].flatMap { length, gain in
        rows(nil, users: 1510, gain: gain).filter { $0.method != .alone }.map { ActivityRow(historyLength: length, $0) }
      },
      protocolNote:
        "Leave-one-out: the last interaction of each user is held out. P1 ranks it among 99 listed negatives."
    ),
    series: [
      MetricSeries(
        method: .federatedPrivate, metric: .sampledHitRate10,
        points: (1...8).map { RoundValue(round: $0, value: 0.55 - 0.12 / Double($0)) }),
      MetricSeries(
        method: .federatedWithoutNoise, metric: .sampledHitRate10,
        points: (1...8).map { RoundValue(round: $0, value: 0.75 - 0.14 / Double($0)) }),
    ],
    noiseReading: NoiseReading(nominalUsers: 6000, noiseMultiplier: 1.1905),
    released: [
      ReleasedQuality(
        release: 15, entries: [-12, 3, 1, 118_031, 9_120, 4_410, 260_004, 31_222, 16_038],
        rows: [
          released(nil, 5907.4, 68.2, 0.1067, 0.0541), released("1–9", -0.2, 39.4, nil, nil),
          released("10–49", 1844.2, 39.4, 0.0773, 0.0374), released("50 and more", 4063.4, 39.4, 0.1201, 0.0617),
        ])
    ], notHeld: [23])

  private static func released(_ group: String?, _ users: Double, _ deviation: Double, _ hits: Double?, _ gain: Double?)
    -> ReleasedQuality.Row
  {
    ReleasedQuality.Row(
      historyLength: group, usersNoised: users, usersDeviation: deviation,
      metrics: [(ReportMetric.fullHitRate10, hits), (.fullNDCG10, gain)].compactMap { metric, value in
        value.map { MetricValue(metric, $0, low: $0 - 0.0213, high: $0 + 0.0213) }
      })
  }

  static let cost = CostReport(
    traffic: partners.enumerated().map {
      PartnerTraffic(partner: $1, bytesUp: 7_341_222 + 1311 * $0, bytesDown: 9_120_034 + 977 * $0)
    },
    stages: [
      StageCost(.localTraining, cpuSeconds: 4.31),
      StageCost(.advertiseKeys, cpuSeconds: 0.0021, bytes: 18_220),
      StageCost(.shareKeys, cpuSeconds: 0.0093, bytes: 91_344),
      StageCost(.maskedInput, cpuSeconds: 0.412, bytes: 51_388_554),
      StageCost(.consistencyCheck, cpuSeconds: 0.0031, bytes: 9_022),
      StageCost(.unmask, cpuSeconds: 0.288, bytes: 44_120),
      StageCost(.noise, cpuSeconds: 0.731), StageCost(.advance, cpuSeconds: 1.94, bytes: 63_840_238),
      StageCost(.evaluation, cpuSeconds: 6.02),
    ],
    dropouts: [StageCount(.maskedInput, count: 3), StageCount(.unmask, count: 1)],
    refusals: [ReasonCount(reason: "signature does not verify", count: 2)], wallSeconds: 8.12,
    cpuSeconds: 13.71,
    memoryPeakBytes: 612_000_000)

  static func curve(mu: Double) -> [CurvePoint] {
    // δ(ε) of the Gaussian mechanism: Φ(−ε/μ + μ/2) − e^ε Φ(−ε/μ − μ/2).
    func normal(_ x: Double) -> Double { 0.5 * erfc(-x / 2.0.squareRoot()) }
    return (0...24).map { Double($0) * 0.25 }.map { epsilon in
      CurvePoint(
        epsilon: epsilon,
        delta: normal(-epsilon / mu + mu / 2) - exp(epsilon) * normal(-epsilon / mu - mu / 2))
    }
  }

  static func rows(_ partner: String?, users: Int, gain: Double) -> [QualityRow] {
    let base: [(ReportMethod, Double)] = [
      (.popularity, 0.454), (.alone, 0.417 + gain), (.federatedWithoutNoise, 0.7512),
      (.federatedPrivate, 0.5466 + gain / 2),
    ]
    return base.map { method, value in
      QualityRow(
        method: method, partner: partner, users: users,
        metrics: [
          MetricValue(.sampledHitRate10, value, low: value - 0.01247, high: value + 0.01247),
          MetricValue(.sampledNDCG10, value * 0.67, low: value * 0.67 - 0.0104, high: value * 0.67 + 0.0104),
          MetricValue(.fullHitRate10, value * 0.19), MetricValue(.fullNDCG10, value * 0.097),
          MetricValue(.recall20, value * 0.291),
        ])
    }
  }
}
