internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import SecureAggregation
internal import Simulation
internal import Testing

/// A partner thrown away at every durable write of a run, before and after the write reached the disk.
@Suite struct PartnerCrashTests {
  private static func federation(_ noise: NoiseMode) throws -> CrashingFederation {
    try CrashingFederation(TinyFederation(noise: noise, algorithm: CoordinatorCrashTests.algorithm))
  }

  @Test(arguments: [NoiseMode.central, .distributed])
  func `wherever a partner dies, it is a dropout of that attempt and takes part in the next`(noise: NoiseMode) throws {
    let whole = try Self.federation(noise)
    try whole.run()
    #expect(whole.engine.end == .completed)
    let writes = whole[3].journal.machine.writes
    // Opened, coordinator's head as the least and as shown, answer 1, peers' heads, answers 2 and 3, charge, what the coordinator owes,
    // answer 4, what the peers owe, their signatures, answer 5, release, its head, outcome; in the second round the coordinator's
    // least head is the one of the release.
    #expect(writes == 16 + 15 && whole.releaseCount == 2)
    var dropouts = 0
    for write in 0..<writes {
      for moment in Machine.Moment.allCases {
        let run = try Self.federation(noise)
        run[3].journal.machine.die(at: write, moment)
        try run.run()
        let place: Comment = "\(moment) write \(write)"
        #expect(run[3].starts == 2 && run.engine.end == .completed && run.aborted.isEmpty, place)
        // One answer to each stage of an attempt at most, and no key under two of them.
        #expect(run.maskedInputs.values.allSatisfy { $0 == 1 }, place)
        #expect(run.advertisedKeys.count == Set(run.advertisedKeys).count, place)
        #expect(run.advertisements(of: 3).allSatisfy { $0.value == 1 }, place)
        for (release, published) in run.published.enumerated() {
          let charge = run.ledger(of: 3).charges.first { $0.charge.release == release }
          let isInSum = published.survivors.contains(ParticipantID(3))
          #expect(!isInSum || charge != nil, "\(place): in the sum and not charged")
          if release == (write < 16 ? 0 : 1) {
            if !isInSum { dropouts += 1 }
          } else {
            #expect(isInSum && charge?.outcome != nil, "\(place): takes part in the others, from beginning to end")
          }
        }
        #expect(run.ledger(of: 3).charges.count <= run.releaseCount, place)
        // Dead after the first mark was on disk and before the attempt was over, it says no to the attempt it was in.
        let position = write < 17 ? write % 16 : write - 15
        if (1..<13).contains(position) || (position == 0 && moment == .after) {
          #expect(run[3].engine.refusals == [.staleAttempt: 1], place)
        }
      }
    }
    #expect(dropouts > 20)
  }

  @Test func `with coordinator and partner dying in turn, nobody answers twice and nothing is charged twice`() throws {
    let whole = try Self.federation(.central)
    try whole.run()
    for seed in 0..<40 {
      let run = try Self.federation(.central)
      run.losesMessages = seed.isMultiple(of: 2)
      run.disk.machine.die(at: (7 * seed) % whole.disk.machine.writes, seed.isMultiple(of: 3) ? .before : .after)
      run[UInt32(1 + seed % 5)].journal.machine.die(at: (5 * seed) % 26, seed.isMultiple(of: 5) ? .before : .after)
      try run.run()
      #expect(run.engine.end == .completed, "\(seed)")
      #expect(run.maskedInputs.values.allSatisfy { $0 == 1 })
      let charges = try run.coordinatorLedger.charges
      #expect(Set(charges.map(\.charge.attempt)).count == charges.count)
      #expect(Set(run.disk.sums.recorded.keys) == Set(charges.filter { $0.isReleased }.map(\.charge.attempt)))
      #expect(charges.filter(\.isReleased).count == run.releaseCount)
    }
  }
}

extension LedgerState.Standing {
  var isReleased: Bool { if case .released? = outcome?.result { true } else { false } }
}

extension CrashingFederation {
  var advertisedKeys: [[UInt8]] {
    var keys: [[UInt8]] = []
    for case (_, .aggregation(.keyAdvertisement(let advertisement))) in sent {
      keys += [advertisement.channelPublicKey.bytes, advertisement.maskPublicKey.bytes]
    }
    return keys
  }

  /// How often a partner advertised keys for each attempt.
  func advertisements(of participant: UInt32) -> [AttemptContext: Int] {
    var counts: [AttemptContext: Int] = [:]
    for case (let sender, .aggregation(.keyAdvertisement(let advertisement))) in sent where sender.rawValue == participant {
      counts[advertisement.context, default: 0] += 1
    }
    return counts
  }
}
