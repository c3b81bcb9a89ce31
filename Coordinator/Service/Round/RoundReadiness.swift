internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import SecureAggregation

/// Who could take part in the next attempt of a plan, and who is missing for what reason.
struct RoundReadiness: Sendable, Equatable {
  /// Why a partner of the plan would not answer now.
  enum Absence: Sendable, Equatable, CustomStringConvertible {
    case revoked
    case left
    case paused
    /// It refused an attempt, and would refuse the next for the same reason.
    case refuses(String)
    case notAccepted
    case notConnected

    var description: String {
      switch self {
      case .revoked: "revoked"
      case .left: "has left"
      case .paused: "paused"
      case .refuses(let sentence): "refuses: \(sentence)"
      case .notAccepted: "has not accepted the plan"
      case .notConnected: "not connected"
      }
    }

    /// Whether no waiting mends it.
    var isForGood: Bool { self == .revoked || self == .left }
  }

  struct Partner: Sendable, Equatable {
    let participant: UInt32
    let name: String
    /// `nil` for one that is there and may be asked.
    let absence: Absence?
  }

  /// In the order of the plan.
  let partners: [Partner]
  /// The fewest with whom an attempt can come to something.
  let needed: Int

  /// - Parameter present: who is connected; `nil` when nobody serves the plan, so that it is not known.
  init(
    _ plan: TrainingPlan, planHash: Digest, session: SessionID, store: CoordinatorStore, present: Set<UInt32>?
  ) throws {
    let standings = try store.standings(plan: planHash)
    let refusals = try store.refusals(session: session)
    let active = Set(try store.partners().filter(\.isActive).map(\.participant))
    partners = plan.roster.map { entry in
      let standing = standings[entry.participant] ?? PartnerStanding()
      let absence: Absence? =
        if !active.contains(entry.participant) {
          .revoked
        } else if standing.hasLeft {
          .left
        } else if standing.isPaused {
          .paused
        } else if let refusal = refusals[entry.participant], refusal.stands {
          .refuses(refusal.sentence)
        } else if !standing.hasConsented {
          .notAccepted
        } else if let present, !present.contains(entry.participant) {
          .notConnected
        } else {
          nil
        }
      return Partner(participant: entry.participant, name: entry.name, absence: absence)
    }
    needed = plan.neededPartners
  }

  /// Who is there and may be asked.
  var present: Set<UInt32> { Set(partners.filter { $0.absence == nil }.map(\.participant)) }

  /// Who may still come by itself: those that are there, and those that others wait for a while.
  var awaited: Set<UInt32> {
    Set(
      partners.filter { $0.absence == nil || $0.absence == .notAccepted || $0.absence == .notConnected }.map(\.participant))
  }

  /// Partners that have accepted and do not rest.
  var readyCount: Int { partners.filter { $0.absence == nil || $0.absence == .notConnected }.count }

  /// Whether enough have access for any attempt at all.
  var canGoOn: Bool { partners.filter { $0.absence?.isForGood != true }.count >= needed }

  var missing: [RunProgress.Missing] {
    partners.compactMap { partner in partner.absence.map { RunProgress.Missing(name: partner.name, why: "\($0)") } }
  }

  /// What keeps the next attempt from being opened, for people.
  var progress: RunProgress {
    guard canGoOn else {
      let gone = partners.filter { $0.absence?.isForGood == true }
      let left = partners.count - gone.count
      return RunProgress(
        .stuck,
        "cannot go on: needs \(needed) partners, only \(left) \(left == 1 ? "has" : "have") access; end the plan with: tacit-coordinator plan --end REASON",
        missing: gone.compactMap { partner in partner.absence.map { .init(name: partner.name, why: "\($0)") } })
    }
    return RunProgress(.waiting, "waiting: \(present.count) of \(needed) needed are ready", missing: missing)
  }
}
