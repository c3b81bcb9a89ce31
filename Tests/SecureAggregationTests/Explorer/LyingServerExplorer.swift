import CryptoPrimitives
import SecureAggregation

/// Every state of one attempt over the complete graph in which the coordinator lies as it likes and some participants give it
/// all that they have: what can honest clients be led to send?
///
/// Explored are the production sessions. The coordinator may tell each client, in any order between clients, any list, any
/// delivery, any survivor set and any signatures that can be put together from what it has; what has no valid signature or does
/// not open is offered too, and has to be refused. Corrupt participants advertise two sets of keys, deal under every list, sign
/// every statement, and show all shares that they ever got.
///
/// Three reductions, each exact:
/// - a state is the tuple of the clients' places (`Place`): sessions have no other input, so that all orders of events between
///   clients lead to the same states and are all followed;
/// - a client that refused sends nothing more, which is checked for each refusal by offering more; the state is the one in which
///   the coordinator never spoke to it again, which is explored;
/// - clients advertise at once, and submit as soon as they are asked: that gives the coordinator more, never less. A client that
///   is gone is one that is never told anything any more.
final class LyingServerExplorer {
  /// A guard that is taken out of every honest client, to see that the explorer would notice. The coordinator then lies from the
  /// masked input on only, which is enough, and finds it in seconds.
  enum Fault {
    /// A client that was set back to before it signed, and signs and answers again.
    case answersTwice
    /// A client that is content with t signatures, whatever they are on.
    case survivorsDiffer
  }

  enum Property: String, CaseIterable {
    case bothSecrets = "both secrets of one peer can be opened"
    case smallCohort = "a sum over too few can be opened"
    case survivorsDiffer = "two clients answered about different survivors"
  }

  struct Report: CustomStringConvertible {
    var states = 0
    var places = 0
    /// Messages that were offered to a client in some state.
    var offers = 0
    /// Different messages at different places, each played once by a session, and how many of them it refused.
    var played = 0
    var refused = 0
    var answered = 0
    /// The first state that violates a property, described.
    var violations: [Property: String] = [:]

    var description: String {
      "\(states) states of \(places) places, \(offers) offers, \(played) played, \(refused) refused, \(answered) states in which everybody answered"
        + (violations.isEmpty ? "; no violation" : "; violated: \(violations.keys.map(\.rawValue).sorted())")
    }
  }

  private let rehearsal: AggregationRehearsal
  private let count: Int
  private let threshold: Int
  private let corrupt: Ranks
  private let honest: [Int]
  private let fault: Fault?
  private let keys: KeyDerivation

  /// Advertisements by rank and variant; a corrupt participant has two.
  private var advertisements: [[KeyAdvertisement]] = []
  private var deals: [(rank: Int, shares: KeyShares, paths: [[Digest]])] = []
  private var signatures: [(rank: Int, signature: Signature)] = []
  private var statements: [[UInt8]: Int] = [:]
  private var places: [Place] = []
  /// Deals of corrupt participants by rank and list.
  private var corruptDeals: [[Int8]: Int] = [:]
  /// Where a place can go with what there is: by place and what is at hand.
  private var ways: [[Int]: (next: [Int], offers: Int)] = [:]
  /// Each message at each place: the place after it, or −1.
  private var moves: [Move: Int] = [:]
  /// By the place before it.
  private var answered: [Int: [Int]] = [:]
  private var report = Report()

  /// - Parameters:
  ///   - participants: n, at most 4.
  ///   - threshold: t.
  ///   - corrupt: how many of the last ranks give the coordinator all that they have.
  init(participants: Int, threshold: Int, corrupt: Int = 0, fault: Fault? = nil) throws {
    let parameters = try AggregationParameters(
      participants: SecureAggregationTests.participants(participants), threshold: threshold, dimension: 1, modulusBits: 32)
    rehearsal = AggregationRehearsal(parameters: parameters, seed: 5)
    count = participants
    self.threshold = threshold
    self.corrupt = (0..<participants).reduce(0) { $1 >= participants - corrupt ? $0 | 1 << Ranks($1) : $0 }
    honest = Array(0..<participants - corrupt)
    self.fault = fault
    keys = KeyDerivation(suite: parameters.suite, context: rehearsal.context)
    for rank in 0..<participants {
      advertisements.append(
        try (0...(isCorrupt(rank) ? 1 : 0)).map { variant in
          let step = try ReplayedClient(rehearsal: rehearsal, rank: rank, variant: variant).play([])
          guard case .send(.keyAdvertisement(let advertisement))? = step.actions.last else {
            throw ExplorerError("a session does not advertise")
          }
          return advertisement
        })
    }
  }

  private func isCorrupt(_ rank: Int) -> Bool { corrupt >> Ranks(rank) & 1 == 1 }
  private func id(_ rank: Int) -> ParticipantID { rehearsal.parameters.participants[rank] }
  private func ids(_ ranks: Ranks) -> [ParticipantID] { (0..<count).filter { ranks >> Ranks($0) & 1 == 1 }.map(id) }

  /// - Parameter end: stops at the first state that violates this.
  func explore(until end: Property? = nil) throws -> Report {
    var first: UInt64 = 0
    for (position, rank) in honest.enumerated() {
      places.append(Place(rank: rank))
      first |= UInt64(places.count - 1) << UInt64(16 * position)
    }
    var seen: Set<UInt64> = [first]
    var open = [first]
    while let state = open.popLast() {
      let current = honest.indices.map { Int(state >> UInt64(16 * $0) & 0xFFFF) }
      check(current)
      if let end, report.violations[end] != nil { break }
      for position in honest.indices {
        for next in try successors(of: current[position], in: current) {
          let shift = UInt64(16 * position)
          let state = state & ~(0xFFFF << shift) | UInt64(next) << shift
          if seen.insert(state).inserted { open.append(state) }
        }
      }
    }
    report.states = seen.count
    report.places = places.count
    return report
  }

  // MARK: - What the coordinator may say

  private func successors(of index: Int, in state: [Int]) throws -> [Int] {
    let place = places[index]
    var key = [index]
    switch place.stage {
    case .advertised, .submitted: break
    case .dealt: key += state.map { places[$0].deal ?? -1 }
    case .signed, .answered:
      guard place.stage == .signed || fault == .answersTwice && place.signatures.count < 2 else { return [] }
      for other in state { key += [-2] + places[other].signatures }
    }
    if let known = ways[key] {
      report.offers += known.offers
      return known.next
    }
    var next: [Int] = []
    let offers = try messages(to: place, in: state)
    for offer in offers {
      if let place = try move(offer, from: index), !next.contains(place) { next.append(place) }
    }
    ways[key] = (next, offers.count)
    report.offers += offers.count
    return next
  }

  /// - Returns: the place's index; `nil` when the client refused.
  private func move(_ offer: Offer, from index: Int) throws -> Int? {
    let key = Move(place: index, message: offer.message, setBack: offer.setBack)
    if let known = moves[key] { return known >= 0 ? known : nil }
    guard let place = try take(offer, at: places[index]) else {
      moves[key] = -1
      return nil
    }
    // A closed session is what it sent: which signatures it was content with makes no difference any more.
    if place.stage == .answered, let same = answered[index]?.first(where: { places[$0].answers == place.answers }) {
      moves[key] = same
      return same
    }
    precondition(places.count < 1 << 16, "more places than a state can name")
    places.append(place)
    moves[key] = places.count - 1
    if place.stage == .answered { answered[index, default: []].append(places.count - 1) }
    return places.count - 1
  }

  private struct Move: Hashable {
    let place: Int
    let message: ServerMessage
    let setBack: Int?
  }

  /// A message with what the explorer knows of it beforehand.
  private struct Offer {
    let message: ServerMessage
    var list: [Int8] = []
    var ranks: Ranks = 0
    /// Planted fault: the client is set back to so many messages before it takes this one.
    var setBack: Int?
  }

  private func messages(to place: Place, in state: [Int]) throws -> [Offer] {
    var offers: [Offer]
    switch place.stage {
    case .advertised:
      offers = fault == nil ? lists(to: place) : lists(to: place).filter { !$0.list.contains(-1) && !$0.list.isEmpty }
    case .dealt:
      offers = try deliveries(to: place, state)
      if fault != nil { offers = offers.filter { $0.ranks.nonzeroBitCount == count } }
    case .submitted: offers = survivorSets()
    case .signed:
      offers = signatureSets(to: place, state)
      if fault == .answersTwice, place.signatures.count < 2 { offers += survivorSets(setBack: 2) }
    case .answered: return survivorSets(setBack: 2)
    }
    return offers + outOfPlace(place.stage)
  }

  /// Every choice of advertisements, and lists that nobody may take.
  private func lists(to place: Place) -> [Offer] {
    var choices: [[Int8]] = [[]]
    for rank in 0..<count {
      choices = choices.flatMap { choice in (-1..<Int8(advertisements[rank].count)).map { choice + [$0] } }
    }
    var offers = choices.map { choice in
      Offer(message: .advertisementList(AdvertisementList(advertisements: chosen(choice))), list: choice)
    }
    let all = chosen([Int8](repeating: 0, count: count))
    for rank in 0..<count where rank != place.rank {
      // Keys of the attacker under an honest name, and honest keys under another's signature.
      var forged = all
      forged[rank].maskPublicKey = all[(rank + 1) % count].maskPublicKey
      offers.append(Offer(message: .advertisementList(AdvertisementList(advertisements: forged))))
      forged = all
      forged[rank].signature = all[(rank + 1) % count].signature
      offers.append(Offer(message: .advertisementList(AdvertisementList(advertisements: forged))))
    }
    offers.append(Offer(message: .advertisementList(AdvertisementList(advertisements: all.reversed()))))
    offers.append(Offer(message: .advertisementList(AdvertisementList(advertisements: all + [all[count - 1]]))))
    return offers
  }

  private func chosen(_ choice: [Int8]) -> [KeyAdvertisement] {
    zip(advertisements, choice).compactMap { $1 < 0 ? nil : $0[Int($1)] }
  }

  /// Every choice of dealers whose deals are at hand; where all are, also with one entry that was made for somebody else or was
  /// changed.
  private func deliveries(to place: Place, _ state: [Int]) throws -> [Offer] {
    var hands = [[Int]](repeating: [], count: count)
    for other in state { if let deal = places[other].deal { hands[places[other].rank].append(deal) } }
    for rank in 0..<count where isCorrupt(rank) {
      if place.list[rank] >= 0 { hands[rank].append(try corruptDeal(rank, under: place.list)) }
      // The same keys or the others, dealt under the full list: not this client's, or the same deal again.
      let full = (0..<count).map { $0 == rank || place.list[$0] < 0 ? Int8(0) : place.list[$0] }
      let other = try corruptDeal(rank, under: full)
      if !hands[rank].contains(other) { hands[rank].append(other) }
    }
    var choices: [[Int?]] = [[]]
    for rank in 0..<count { choices = choices.flatMap { choice in ([nil] + hands[rank].map { $0 }).map { choice + [$0] } } }
    var offers: [Offer] = []
    for choice in choices {
      let dealers = choice.compactMap { $0 }
      let entries = dealers.compactMap { entry(of: deals[$0], to: place.rank) }
      let ranks = dealers.reduce(Ranks(0)) { $0 | 1 << Ranks(deals[$1].rank) }
      offers.append(Offer(message: delivery(entries), ranks: ranks))
      // Changed entries are refused one by one, whatever else is in the list: tried where everybody's entry is.
      guard dealers.count == count else { continue }
      for index in entries.indices {
        var changed = entries
        if let sealed = changed[index].sealed {
          changed[index].sealed = sealed.flipped(at: 7)
          offers.append(Offer(message: delivery(changed), ranks: ranks))
        }
        changed = entries
        changed[index].selfMaskCommitment = changed[index].selfMaskCommitment.flipped()
        offers.append(Offer(message: delivery(changed), ranks: ranks))
        guard let stranger = entry(of: deals[dealers[index]], to: (place.rank + 1) % count) else { continue }
        changed = entries
        changed[index] = stranger
        offers.append(Offer(message: delivery(changed), ranks: ranks))
      }
    }
    return offers
  }

  private func delivery(_ entries: [ShareDelivery.Entry]) -> ServerMessage {
    .shareDelivery(ShareDelivery(context: rehearsal.context, entries: entries))
  }

  /// `nil` when the dealer's list did not name the holder.
  private func entry(of deal: (rank: Int, shares: KeyShares, paths: [[Digest]]), to rank: Int) -> ShareDelivery.Entry? {
    guard let index = deal.shares.entries.firstIndex(where: { $0.holder == id(rank) }) else { return nil }
    let entry = deal.shares.entries[index]
    return ShareDelivery.Entry(
      dealer: deal.shares.dealer, root: deal.shares.root, signature: deal.shares.signature,
      selfMaskCommitment: entry.selfMaskCommitment, maskSeedCommitment: entry.maskSeedCommitment, sealed: entry.sealed,
      path: deal.paths[index])
  }

  /// Every set of participants.
  private func survivorSets(setBack: Int? = nil) -> [Offer] {
    var offers = (0..<Ranks(1 << count)).map { ranks in
      Offer(
        message: .survivorSet(SurvivorSet(context: rehearsal.context, survivors: ids(ranks))), ranks: ranks, setBack: setBack)
    }
    guard setBack == nil else { return offers }
    let all = ids(Ranks(1 << count) - 1)
    offers.append(Offer(message: .survivorSet(SurvivorSet(context: rehearsal.context, survivors: all.reversed()))))
    offers.append(Offer(message: .survivorSet(SurvivorSet(context: rehearsal.context, survivors: all + [ParticipantID(9999)]))))
    offers.append(Offer(message: .survivorSet(SurvivorSet(context: otherAttempt, survivors: all))))
    return offers
  }

  private var otherAttempt: AttemptContext {
    AttemptContext(
      session: rehearsal.context.session, round: rehearsal.context.round, attempt: rehearsal.context.attempt + 1,
      binding: rehearsal.context.binding)
  }

  /// Every choice of the signatures that are at hand; the corrupt sign what this client signed. And each under another's name.
  private func signatureSets(to place: Place, _ state: [Int]) -> [Offer] {
    var hands = [[Signature]](repeating: [], count: count)
    for other in state {
      for signature in places[other].signatures { hands[places[other].rank].append(signatures[signature].signature) }
    }
    let statement = statements.first { $0.value == place.statement }?.key ?? []
    for rank in 0..<count where isCorrupt(rank) { hands[rank].append(sign(statement, rank)) }
    var choices: [[ConsistencySignatures.Entry]] = [[]]
    for rank in 0..<count {
      choices = choices.flatMap { choice in
        [choice] + hands[rank].map { choice + [ConsistencySignatures.Entry(participant: id(rank), signature: $0)] }
      }
    }
    let own = hands[place.rank].last
    for rank in 0..<count where rank != place.rank {
      guard let own else { continue }
      // One's own signature under everybody's name.
      choices.append((0..<count).map { ConsistencySignatures.Entry(participant: id($0), signature: own) })
    }
    return choices.map {
      Offer(message: .consistencySignatures(ConsistencySignatures(context: rehearsal.context, entries: $0)))
    }
  }

  private func sign(_ statement: [UInt8], _ rank: Int) -> Signature {
    guard let key = rehearsal.identities[id(rank)] else { preconditionFailure("every rank has an identity") }
    return key.sign(statement)
  }

  /// Messages of other stages.
  private func outOfPlace(_ stage: Place.Stage) -> [Offer] {
    let all = ids(Ranks(1 << count) - 1)
    let messages: [(Place.Stage, ServerMessage)] = [
      (.advertised, .advertisementList(AdvertisementList(advertisements: chosen([Int8](repeating: 0, count: count))))),
      (.dealt, delivery([])),
      (.submitted, .survivorSet(SurvivorSet(context: rehearsal.context, survivors: all))),
      (.signed, .consistencySignatures(ConsistencySignatures(context: rehearsal.context, entries: []))),
    ]
    return messages.filter { $0.0 != stage }.map { Offer(message: $0.1) }
  }

  // MARK: - What the clients do

  /// Plays one message at one place.
  ///
  /// - Returns: the place after it; `nil` when the client refused, after which it was seen to stay closed.
  private func take(_ offer: Offer, at place: Place) throws -> Place? {
    var next = place
    var message = offer.message
    if let setBack = offer.setBack {
      next.history.removeLast(next.history.count - setBack)
      next.stage = .submitted
    } else if fault == .survivorsDiffer, place.stage == .signed {
      message = believed(message, at: place)
    }
    next.history.append(message)
    report.played += 1
    let step = try ReplayedClient(rehearsal: rehearsal, rank: place.rank).play(next.history, probes: probes)
    switch step.actions.last {
    case .refuse:
      guard step.staysClosed else { throw ExplorerError("a client that refused goes on: \(place.description)") }
      report.refused += 1
      return nil
    case .send(.keyShares(let shares)):
      next.stage = .dealt
      next.list = offer.list
      next.deal = add(shares, of: place.rank)
    case .send(.maskedInput):
      next.stage = .submitted
      next.transcript = step.request?.transcript
      next.contributors = ranks(step.request?.contributors ?? [])
    case .send(.consistencySignature(let signature)):
      next.stage = .signed
      next.survivors = offer.ranks
      next.statement = number(of: step.statement ?? [])
      signatures.append((place.rank, signature.signature))
      next.signatures.append(signatures.count - 1)
    case .sendLast(.unmaskResponse(let response)):
      next.stage = .answered
      guard step.staysClosed else { throw ExplorerError("a client that answered goes on: \(place.description)") }
      var answer = Place.Answer(statement: place.statement ?? -1)
      for entry in response.entries {
        switch entry.kind {
        case .selfMask: answer.selfMasks |= ranks([entry.dealer])
        case .maskSeed: answer.maskSeeds |= ranks([entry.dealer])
        }
      }
      next.answers.append(answer)
    default: throw ExplorerError("a client did what the explorer does not know: \(String(describing: step.actions.last))")
    }
    return next
  }

  /// Planted fault: t signatures of different ids count, whatever they are on.
  private func believed(_ message: ServerMessage, at place: Place) -> ServerMessage {
    guard case .consistencySignatures(var given) = message, given.entries.count >= threshold else { return message }
    let statement = statements.first { $0.value == place.statement }?.key ?? []
    given.entries = given.entries.compactMap { entry in
      let rank = ranks([entry.participant]).trailingZeroBitCount
      guard place.survivors >> Ranks(rank) & 1 == 1 else { return nil }
      return ConsistencySignatures.Entry(participant: entry.participant, signature: sign(statement, rank))
    }
    return .consistencySignatures(given)
  }

  private lazy var probes: [ServerMessage] = outOfPlace(.advertised).map(\.message)

  private func ranks(_ ids: [ParticipantID]) -> Ranks {
    ids.reduce(0) { ranks, id in
      guard let rank = rehearsal.parameters.participants.firstIndex(of: id) else { return ranks }
      return ranks | 1 << Ranks(rank)
    }
  }

  private func number(of statement: [UInt8]) -> Int {
    if let known = statements[statement] { return known }
    statements[statement] = statements.count
    return statements.count - 1
  }

  private func add(_ shares: KeyShares, of rank: Int) -> Int {
    var hasher = keys.shareHasher
    let leaves = shares.entries.map { entry in
      hasher.leaf(
        dealer: shares.dealer, holder: entry.holder, point: rehearsal.parameters.sharePoint(of: entry.holder) ?? 0,
        selfMaskCommitment: entry.selfMaskCommitment, maskSeedCommitment: entry.maskSeedCommitment, sealed: entry.sealed)
    }
    deals.append((rank, shares, MerkleTree.paths(leaves)))
    return deals.count - 1
  }

  private func corruptDeal(_ rank: Int, under list: [Int8]) throws -> Int {
    let key = [Int8(rank)] + list
    if let known = corruptDeals[key] { return known }
    let client = ReplayedClient(rehearsal: rehearsal, rank: rank, variant: Int(list[rank]))
    let step = try client.play([.advertisementList(AdvertisementList(advertisements: chosen(list)))])
    guard case .send(.keyShares(let shares))? = step.actions.last else {
      throw ExplorerError("a corrupt participant cannot deal under \(list): \(String(describing: step.actions.last))")
    }
    let deal = add(shares, of: rank)
    corruptDeals[key] = deal
    return deal
  }

  // MARK: - What must never be

  private func check(_ state: [Int]) {
    let here = state.map { places[$0] }
    let answers = here.flatMap { place in place.answers.map { (place.rank, $0) } }
    guard !answers.isEmpty else { return }
    if here.allSatisfy({ $0.stage == .answered }) { report.answered += 1 }
    func violated(_ property: Property) {
      if report.violations[property] == nil {
        report.violations[property] = here.map(\.description).joined(separator: "\n")
      }
    }
    // Shares that the coordinator has: those revealed, and of everybody who dealt to them those of the corrupt.
    var (opensSelfMask, opensMaskSeed) = (Ranks(0), Ranks(0))
    for place in here where place.deal != nil {
      let bit = Ranks(1) << Ranks(place.rank)
      let given = (0..<count).count { isCorrupt($0) && place.list[$0] >= 0 }
      let selfMask = Set(answers.filter { $0.1.selfMasks & bit != 0 }.map(\.0)).count + given
      let maskSeed = Set(answers.filter { $0.1.maskSeeds & bit != 0 }.map(\.0)).count + given
      if selfMask >= threshold { opensSelfMask |= bit }
      if maskSeed >= threshold { opensMaskSeed |= bit }
    }
    if opensSelfMask & opensMaskSeed != 0 { violated(.bothSecrets) }
    // A set of honest inputs is laid bare as a sum when its self masks open and every mask that leads out of it does.
    let candidates = here.filter {
      opensSelfMask >> Ranks($0.rank) & 1 == 1 && $0.stage.rawValue >= Place.Stage.submitted.rawValue
    }
    for subset in subsets(of: candidates) where !subset.isEmpty {
      let inside = subset.reduce(Ranks(0)) { $0 | 1 << Ranks($1.rank) }
      let isOpen = subset.allSatisfy { $0.contributors & ~corrupt & ~inside & ~opensMaskSeed == 0 }
      if isOpen, subset.count + corrupt.nonzeroBitCount < rehearsal.parameters.minimumSurvivors { violated(.smallCohort) }
    }
    if Set(answers.map(\.1.statement)).count > 1 { violated(.survivorsDiffer) }
  }
}
