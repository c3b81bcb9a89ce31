internal import CryptoPrimitives
package import FederatedLearning
internal import Foundation
internal import PeerIdentity
internal import SecureAggregation
internal import Synchronization

/// The ledgers that count the same people in several homes, as one of them sees the others.
///
/// A group is whatever links lead to, from ledger to ledger. Nothing is charged in it that any of them could not be asked about: a
/// ledger that is missing, damaged, or shorter than somebody of the group has seen it, stops all of them until it is put back.
package final class LedgerGroup: LinkedLedgers {
  let own: LedgerPlace
  /// What the own ledger says; `nil` before it was begun.
  private let state: @Sendable () throws -> LedgerState?
  /// Whether the home's database knows of a link.
  private let expectsLinks: @Sendable () throws -> Bool
  private let patience: Duration
  private let waiting: @Sendable () -> Void
  private let synchronize: @Sendable (String) throws -> Void
  private let memory = Mutex(Memory())

  private struct Memory {
    /// Ledgers that were verified without an objection, as far as they went, with the hash of these bytes.
    var verified: [LedgerPlace: (count: Int, hash: Digest, state: LedgerState)] = [:]
    var verifiedRecords = 0
    var trouble: String?
  }

  /// How long a charge waits for another one.
  package static let patience = Duration.seconds(10)

  /// - Parameters:
  ///   - ledger: open for writing; where it is not, it is read.
  ///   - waiting: called while another process charges; for tests.
  ///   - synchronize: makes a file durable.
  package init(
    _ name: DataSetName, home: PartnerHome, store: PartnerStore, ledger: PrivacyLedger? = nil,
    patience: Duration = LedgerGroup.patience, waiting: @escaping @Sendable () -> Void = {},
    synchronize: @escaping @Sendable (String) throws -> Void = { try PrivateFile.synchronize($0) }
  ) {
    let place = LedgerPlace(home, name)
    own = place
    state = { try ledger?.state ?? Self.state(of: HomeFile.content(place.path), place) }
    expectsLinks = { try store.isLinked(name) }
    self.patience = patience
    self.waiting = waiting
    self.synchronize = synchronize
  }

  /// Why the last call came to nothing, in a sentence; `nil` where it did not.
  var trouble: String? { memory.withLock { $0.trouble } }

  /// How many records of linked ledgers were verified so far: each of them once, as long as ledgers only grow.
  package var verifiedRecords: Int { memory.withLock { $0.verifiedRecords } }

  package func holding(_ body: (ChargedElsewhere) -> PartnerRefusal?) throws -> PartnerRefusal? {
    do {
      // Leniently at first: whoever makes a link holds locks, and is at one side before it is at the other.
      let locks = try LedgerLocks.take(
        { Set(try Self.members(of: own, isLenient: true).keys) }, patience: patience, waiting: waiting)
      defer { locks.release() }
      let group = try members()
      // First durable, then read: a record that was seen and is gone after a crash would be missed for ever.
      for place in group.keys.sorted() where group.count > 1 && HomeFile.exists(place.path) { try synchronize(place.path) }
      let elsewhere = try read(group)
      // Before anything is charged: a ledger that was ever charged is one that all of the group miss when it is gone.
      try remember(elsewhere, group)
      memory.withLock { $0.trouble = nil }
      let refusal = body(elsewhere.charged)
      // What was charged is on disk; that others have not been told yet weakens only what they can find missing.
      try? remember(elsewhere, group)
      return refusal
    } catch {
      memory.withLock { $0.trouble = "\(error)" }
      throw error
    }
  }

  /// What stands elsewhere now, for people and reviews: whoever charges asks again.
  ///
  /// - Throws: `PartnerError` when a ledger of the group cannot be counted.
  func charged() throws -> ChargedElsewhere { try read(try members()).charged }

  /// Each linked ledger with what it says; `nil` for one that was never begun.
  func linked() throws -> [(place: LedgerPlace, state: LedgerState?)] {
    let group = try members()
    let states = try read(group).states
    return group.keys.filter { $0 != own }.sorted().map { ($0, states[$0]) }
  }

  /// Where the ledgers of the group lie, as far as it can be said.
  func places() -> [LedgerPlace] {
    ((try? Self.members(of: own, isLenient: true)) ?? [:]).keys.filter { $0 != own }.sorted()
  }

  /// Why nothing of a plan can be charged beside what stands here and elsewhere, in a sentence; `nil` where nothing stands against it,
  /// or where it cannot be said now.
  func obstacle(charging plan: Digest, on state: LedgerState?, knowing plans: [Digest: TrainingPlan]) -> String? {
    let elsewhere = (try? charged()) ?? .nothing
    return CapObstacle(
      charging: plan, on: state, elsewhere: elsewhere.ledgers, knowing: plans.merging(elsewhere.plans) { known, _ in known }
    )?.sentence(on: own.name, isLinked: !elsewhere.ledgers.isEmpty)
  }

  // MARK: - Members

  private func members() throws -> [LedgerPlace: LedgerLinks] {
    let group = try Self.members(of: own, isLenient: false)
    guard try group.count > 1 || !expectsLinks() else {
      throw PartnerError(
        .missing,
        "the ledger \(own) was linked with others, and \(own.links), which says with which, is missing: put it back, or link them again with: tacit-client data link"
      )
    }
    return group
  }

  /// - Parameter isLenient: whether links that stand at one side only are followed: they are mended by linking again.
  static func members(of own: LedgerPlace, isLenient: Bool) throws -> [LedgerPlace: LedgerLinks] {
    var group: [LedgerPlace: LedgerLinks] = [:]
    var open = [own]
    while let place = open.popLast() {
      guard group[place] == nil else { continue }
      if place != own { try checkHome(of: place, linkedWith: own) }
      guard let links = try LedgerLinks.read(place) else {
        guard place == own || isLenient else { throw oneSided(own, place) }
        group[place] = LedgerLinks()
        continue
      }
      group[place] = links
      open += links.places
    }
    for (place, links) in group where !isLenient {
      for other in links.places where group[other]?.links.contains(place.path) != true { throw oneSided(place, other) }
      // A home between the two may have come back from before it was linked with both.
      let paths = Set(group.keys.map(\.path))
      for path in links.seen.keys.sorted() where !paths.contains(path) {
        throw PartnerError(
          .missing,
          "the ledger \(place) was counted together with \(path) before, and no link leads there any more: put the .links files back, or link them again with: tacit-client data link"
        )
      }
    }
    return group
  }

  /// The home of a linked ledger is held to what every home is.
  private static func checkHome(of place: LedgerPlace, linkedWith own: LedgerPlace) throws {
    do { _ = try PartnerHome(at: place.home) } catch {
      throw PartnerError(
        .missing,
        "the ledger \(own) is linked with \(place), which counts the same people and cannot be read: \(error). Nothing is charged until it is there again"
      )
    }
  }

  private static func oneSided(_ place: LedgerPlace, _ other: LedgerPlace) -> PartnerError {
    PartnerError(
      .missing,
      "the ledger \(place) is linked with \(other), but \(other.links) does not say so: put that file back, or link them again with: tacit-client data link"
    )
  }

  // MARK: - Reading

  private struct Reading {
    let states: [LedgerPlace: LedgerState]
    let charged: ChargedElsewhere
  }

  private func read(_ group: [LedgerPlace: LedgerLinks]) throws -> Reading {
    guard group.count > 1 else { return Reading(states: [:], charged: .nothing) }
    var states: [LedgerPlace: LedgerState] = [:]
    var plans: [Digest: TrainingPlan] = [:]
    for place in group.keys.sorted() {
      let known = group.values.compactMap { $0.seen[place.path]?.head }
      guard let state = try place == own ? state() : verified(place) else {
        guard known.isEmpty else { throw lost(place, "is missing", known) }
        continue
      }
      guard known.allSatisfy({ state.isExtension(of: $0) }) else {
        throw lost(place, "ends at record \(state.size) or is another one", known)
      }
      guard place != own else { continue }
      states[place] = state
      plans.merge(try PartnerHome(at: place.home).keptPlans()) { known, _ in known }
    }
    return Reading(
      states: states, charged: ChargedElsewhere(ledgers: states.sorted { $0.key < $1.key }.map(\.value), plans: plans))
  }

  private func lost(_ place: LedgerPlace, _ finding: String, _ known: [LedgerHead]) -> PartnerError {
    PartnerError(
      .rolledBack,
      "the ledger \(place)\(place == own ? "" : ", linked with \(own),") \(finding), though record \(known.map(\.size).max() ?? 0) of it was seen: it was replaced by an older one or removed. Nothing is charged to any ledger that is linked with it until the newest is put back"
    )
  }

  private func verified(_ place: LedgerPlace) throws -> LedgerState? {
    guard let bytes = HomeFile.content(place.path) else {
      guard !HomeFile.exists(place.path) else {
        throw PartnerError(
          .io, "the ledger \(place), linked with \(own), cannot be read; look at the disk and at its permissions")
      }
      return nil
    }
    // A ledger grows at its end: what was verified before is the same bytes still, or all of it is verified again.
    let known = memory.withLock { $0.verified[place] }
    let prefix = known.flatMap { known in
      known.count <= bytes.count && bytes[..<known.count].withUnsafeBytes({ SHA256.hash($0) }) == known.hash ? known : nil
    }
    if let prefix, prefix.count == bytes.count { return prefix.state }
    let verification =
      prefix.map { LedgerVerifier().verify(appended: bytes[$0.count...], to: $0.state) } ?? LedgerVerifier().verify(bytes)
    let state = try Self.state(verification, place)
    memory.withLock { memory in
      memory.verifiedRecords += state.size - (prefix?.state.size ?? 0)
      memory.verified[place] = verification.findings.isEmpty ? (bytes.count, SHA256.hash(bytes), state) : nil
    }
    return state
  }

  /// The head of a ledger that may be linked; `nil` for one that was never begun, and for one that is not what was seen of it: linking
  /// again makes no other ledger of it.
  static func head(of place: LedgerPlace, known: [LedgerLinks]) throws -> LedgerHead? {
    let seen = known.compactMap { $0.seen[place.path]?.head }
    // First durable, then read, as before a charge.
    if HomeFile.exists(place.path) { try PrivateFile.synchronize(place.path) }
    guard let state = try state(of: HomeFile.content(place.path), place), seen.allSatisfy({ state.isExtension(of: $0) }) else {
      return nil
    }
    return state.head.head
  }

  static func state(of bytes: [UInt8]?, _ place: LedgerPlace) throws -> LedgerState? {
    guard let bytes else { return nil }
    return try Self.state(LedgerVerifier().verify(bytes), place)
  }

  private static func state(_ verification: LedgerVerification, _ place: LedgerPlace) throws -> LedgerState {
    if let finding = verification.findings.first(where: \.stopsHolder) {
      throw PartnerError(
        .data, "the ledger \(place) does not verify: \(finding). Nothing is charged to any ledger that is linked with it")
    }
    guard let state = verification.state, state.header.kind == .partner else {
      throw PartnerError(.data, "the ledger \(place) is no partner's ledger; put the right file back")
    }
    return state
  }

  // MARK: - Memory

  /// Notes how far all ledgers of the group have come, at each of them: a home that is restored from a backup, with all that lies in
  /// it, is missed by the others, and finds at the others what it has lost.
  private func remember(_ reading: Reading, _ group: [LedgerPlace: LedgerLinks]) throws {
    guard group.count > 1 else { return }
    var heads = reading.states.mapValues(\.head.head)
    heads[own] = try state()?.head.head
    for (place, known) in group.sorted(by: { $0.key < $1.key }) {
      var links = known
      for (other, head) in heads { links.note(head, of: other) }
      if links != known { try links.write(place) }
    }
  }
}
