internal import CryptoPrimitives

/// Stage 2: collects every dealer's sealed shares and commitments.
struct AggregatorShareKeys: Sendable {
  /// U1's advertisements, ascending.
  let advertisements: [KeyAdvertisement]
  /// Their hash.
  let hash: Digest
  var deals: [ParticipantID: Deal] = [:]

  init(advertisements: [KeyAdvertisement], hash: Digest) {
    self.advertisements = advertisements
    self.hash = hash
  }

  var advertisers: [ParticipantID] { advertisements.map(\.participant) }

  func advertised(_ participant: ParticipantID) -> Bool {
    AdvertisementList(advertisements: advertisements).advertisement(of: participant) != nil
  }

  func messages(except gone: Set<ParticipantID>) -> OutgoingMessages {
    let message = ServerMessage.advertisementList(AdvertisementList(advertisements: advertisements))
    return OutgoingMessages(advertisers.filter { !gone.contains($0) }) { _ in message }
  }

  mutating func take(_ message: KeyShares, _ setting: AggregatorSetting) -> AggregatorRefusal? {
    guard hasRightHolders(message, setting.parameters) else { return .wrongHolders }
    var hasher = setting.keys.shareHasher
    let leaves = message.entries.map { leaf(of: $0, by: message.dealer, setting, &hasher) }
    let deal = Deal(message, leaves: leaves, keepsLeaves: setting.parameters.graph == .complete)
    guard deal.isRooted(leaves) else { return .wrongRoot }
    let signed = setting.keys.shareRoot(
      dealer: message.dealer, advertisements: hash, leafCount: message.entries.count, root: message.root)
    guard setting.verifies(message.signature, of: signed, by: message.dealer) else { return .badSignature }
    deals[message.dealer] = deal
    return nil
  }

  /// Complete graph: exactly U1, the dealer's own entry alone without ciphertext. Drawn graph: t to k of U1, never the dealer,
  /// at most m of them for a mask.
  private func hasRightHolders(_ message: KeyShares, _ parameters: AggregationParameters) -> Bool {
    let entries = message.entries
    switch parameters.graph {
    case .complete:
      return entries.map(\.holder) == advertisers
        && entries.allSatisfy { ($0.sealed == nil) == ($0.holder == message.dealer) && !$0.sharesMask }
    case .drawn(let holders, let maskDraws):
      return (parameters.threshold...holders).contains(entries.count)
        && zip(entries, entries.dropFirst()).allSatisfy { $0.holder < $1.holder }
        && entries.allSatisfy { $0.sealed != nil && $0.holder != message.dealer && advertised($0.holder) }
        && entries.count { $0.sharesMask } <= maskDraws
    }
  }

  /// Whose deal counts (U2), ascending. In a drawn graph a dealer of whom fewer than t holders are in U2 is left out, for
  /// neither of its secrets could be opened; leaving it out may leave others with too few.
  func contributors(_ setting: AggregatorSetting) -> [ParticipantID] {
    guard setting.parameters.graph != .complete else { return deals.keys.sorted() }
    var present = Set(deals.keys)
    while true {
      let stranded = present.filter { dealer in
        (deals[dealer]?.holders.ids.count { present.contains($0) } ?? 0) < setting.parameters.threshold
      }
      if stranded.isEmpty { return present.sorted() }
      present.subtract(stranded)
    }
  }

  func close(_ setting: AggregatorSetting) -> AggregatorMaskedInput {
    let contributors = contributors(setting)
    let present = Set(contributors)
    let isComplete = setting.parameters.graph == .complete
    let advertised = Dictionary(
      uniqueKeysWithValues: advertisements.filter { present.contains($0.participant) }.map { ($0.participant, $0) })
    let transcript =
      isComplete
      ? setting.keys.transcript(
        advertisements: hash,
        roots: contributors.compactMap { dealer in deals[dealer].map { (dealer, $0.root) } })
      : setting.keys.transcript(advertisements: hash, contributors: contributors)
    return AggregatorMaskedInput(
      advertisements: advertised,
      graph: SettledGraph(deals.filter { present.contains($0.key) }.mapValues(\.holders), isComplete: isComplete),
      transcript: transcript,
      sum: RingVector(count: setting.parameters.dimension, modulusBits: setting.parameters.modulusBits))
  }

  /// What every dealer sent to each holder, with the path to the dealer's signed root.
  ///
  /// - Parameter graph: what this stage has been closed to.
  func deliveries(_ setting: AggregatorSetting, _ graph: SettledGraph, except gone: Set<ParticipantID>) -> OutgoingMessages {
    OutgoingMessages(graph.contributors.filter { !gone.contains($0) }) { holder in
      .shareDelivery(delivery(to: holder, graph, setting))
    }
  }

  private func delivery(to holder: ParticipantID, _ graph: SettledGraph, _ setting: AggregatorSetting) -> ShareDelivery {
    let isComplete = setting.parameters.graph == .complete
    let held = graph.held[holder] ?? []
    var hasher = setting.keys.shareHasher
    var entries: [ShareDelivery.Entry] = []
    entries.reserveCapacity(held.count)
    for share in held {
      let (dealer, index) = (share.dealer, share.index)
      guard let deal = deals[dealer] else { continue }
      let path = MerkleTree.path(of: index, leafCount: deal.count, nodes: deal.nodes) {
        deal.leaf($0) ?? leaf(of: deal.entry($0, by: dealer), by: dealer, setting, &hasher)
      }
      entries.append(
        ShareDelivery.Entry(
          dealer: dealer, root: deal.root, signature: deal.signature,
          selfMaskCommitment: deal.holders.commitment(index, .selfMask),
          maskSeedCommitment: deal.holders.commitment(index, .maskSeed),
          sealed: holder == dealer ? nil : deal.sealed[index], path: path,
          sharesMask: isComplete ? false : deal.holders.sharesMask[index], leafIndex: isComplete ? 0 : UInt32(index),
          leafCount: isComplete ? 0 : UInt32(deal.count)))
    }
    return ShareDelivery(context: setting.context, contributors: isComplete ? [] : graph.contributors, entries: entries)
  }

  private func leaf(
    of entry: KeyShares.Entry, by dealer: ParticipantID, _ setting: AggregatorSetting, _ hasher: inout ShareHasher
  ) -> Digest {
    hasher.leaf(
      dealer: dealer, holder: entry.holder, point: setting.point(of: entry.holder),
      selfMaskCommitment: entry.selfMaskCommitment, maskSeedCommitment: entry.maskSeedCommitment, sealed: entry.sealed,
      sharesMask: setting.parameters.graph == .complete ? nil : entry.sharesMask)
  }
}

/// A dealer's message as it is kept until it is handed on. A class, because each holder's delivery looks up all of its dealers.
final class Deal: Sendable {
  let root: Digest
  let signature: Signature
  let holders: DealtHolders
  /// For each holder; zeros where the holder is the dealer.
  let sealed: [SealedShares]
  /// Above the leaves (`MerkleTree.nodes`).
  let nodes: [Digest]
  /// Empty where they are made again when they are asked for.
  private let leaves: [Digest]

  /// - Parameter keepsLeaves: in a complete graph every dealer's are asked for by all, and the dealers are few.
  /// - Precondition: exactly the dealer's own entry, if there is one, has no ciphertext.
  init(_ message: KeyShares, leaves: [Digest], keepsLeaves: Bool) {
    root = message.root
    signature = message.signature
    holders = DealtHolders(message.entries)
    sealed = message.entries.map { $0.sealed ?? .zero }
    nodes = MerkleTree.nodes(leaves)
    self.leaves = keepsLeaves ? leaves : []
  }

  /// How many holders there are.
  var count: Int { nodes.count + 1 }

  /// Whether the dealer signed the root over these leaves, from which it was made.
  func isRooted(_ leaves: [Digest]) -> Bool { (nodes.first ?? leaves[0]) == root }

  /// The hash of a leaf, where it was kept.
  func leaf(_ index: Int) -> Digest? { leaves.isEmpty ? nil : leaves[index] }

  /// The entry of one holder as it came.
  func entry(_ index: Int, by dealer: ParticipantID) -> KeyShares.Entry {
    let holder = holders.ids[index]
    return KeyShares.Entry(
      holder: holder, selfMaskCommitment: holders.commitment(index, .selfMask),
      maskSeedCommitment: holders.commitment(index, .maskSeed), sealed: holder == dealer ? nil : sealed[index],
      sharesMask: holders.sharesMask[index])
  }
}

/// Who holds a dealer's shares, ascending, and what the dealer committed to for each.
final class DealtHolders: Sendable {
  let ids: [ParticipantID]
  let sharesMask: [Bool]
  /// Two for each.
  private let commitments: [Digest]

  init(_ entries: [KeyShares.Entry]) {
    ids = entries.map(\.holder)
    sharesMask = entries.map(\.sharesMask)
    var commitments: [Digest] = []
    commitments.reserveCapacity(2 * entries.count)
    for entry in entries {
      commitments.append(entry.selfMaskCommitment)
      commitments.append(entry.maskSeedCommitment)
    }
    self.commitments = commitments
  }

  /// To the share of one kind that a holder has.
  func commitment(_ index: Int, _ kind: SecretKind) -> Digest { commitments[2 * index + (kind == .selfMask ? 0 : 1)] }
}

/// A dealer whose shares somebody holds, and where the holder stands among the dealer's: found once, for a search in a list that is not
/// in the cache costs more than the hash for which it is made.
struct HeldDeal: Equatable, Sendable {
  let dealer: ParticipantID
  private let place: UInt32

  init(dealer: ParticipantID, index: Int) {
    self.dealer = dealer
    place = UInt32(index)
  }

  var index: Int { Int(place) }
}

extension Array {
  /// Where a participant stands in a list that ascends by participant.
  func ascendingIndex(of participant: ParticipantID, by key: (Element) -> ParticipantID) -> Int? {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if key(self[middle]) < participant { low = middle + 1 } else { high = middle }
    }
    return low < count && key(self[low]) == participant ? low : nil
  }
}

/// Who holds whose shares and who shares masks with whom, settled when stage 2 closes.
struct SettledGraph: Sendable {
  /// U2, ascending.
  let contributors: [ParticipantID]
  /// By dealer: the holders of its shares and what it committed to.
  let holders: [ParticipantID: DealtHolders]
  /// By holder: whose shares it holds, ascending by dealer.
  let held: [ParticipantID: [HeldDeal]]
  private let isComplete: Bool

  init(_ deals: [ParticipantID: DealtHolders], isComplete: Bool) {
    contributors = deals.keys.sorted()
    holders = deals
    self.isComplete = isComplete
    var held: [ParticipantID: [HeldDeal]] = [:]
    for dealer in contributors {
      for (index, holder) in (deals[dealer]?.ids ?? []).enumerated() where deals[holder] != nil {
        held[holder, default: []].append(HeldDeal(dealer: dealer, index: index))
      }
    }
    self.held = held
  }

  /// Whether every contributor has at least `threshold` holders in a set: whether its secrets can be opened by it.
  func isCovered(by present: Set<ParticipantID>, threshold: Int) -> Bool {
    if isComplete { return present.count >= threshold }
    return contributors.allSatisfy { dealer in
      (holders[dealer]?.ids.count { present.contains($0) } ?? 0) >= threshold
    }
  }

  /// What a dealer committed to for one holder's share.
  func commitment(_ held: HeldDeal, _ kind: SecretKind) -> Digest? { holders[held.dealer]?.commitment(held.index, kind) }

  /// Where a dealer's share stands in the response of one holder.
  func position(of dealer: ParticipantID, at holder: ParticipantID) -> Int? {
    held[holder]?.ascendingIndex(of: dealer, by: \.dealer)
  }

  /// Drawn graph: with whom in U2 a participant shares a mask. `nil` in the complete graph: with everybody. Found anew each time, for
  /// ten thousand sets of a hundred are more than a server should hold.
  func maskPeers(of participant: ParticipantID) -> Set<ParticipantID>? {
    if isComplete { return nil }
    let drawn = holders[participant].map { own in own.ids.indices.filter { own.sharesMask[$0] }.map { own.ids[$0] } } ?? []
    let drawnBy = (held[participant] ?? []).filter { holders[$0.dealer]?.sharesMask[$0.index] ?? false }
    return Set(drawn.filter { holders[$0] != nil }).union(drawnBy.map(\.dealer))
  }

  /// Complete graph: everybody's signature says something to everybody; drawn graph: those of the reader's holders do, and its
  /// own must be among them.
  func signatures(_ all: ConsistencySignatures, for reader: ParticipantID) -> ConsistencySignatures {
    if isComplete { return all }
    let witnesses = ((holders[reader]?.ids ?? []) + [reader]).sorted()
    var entries: [ConsistencySignatures.Entry] = []
    entries.reserveCapacity(witnesses.count)
    for witness in witnesses {
      if let index = all.entries.ascendingIndex(of: witness, by: \.participant) { entries.append(all.entries[index]) }
    }
    return ConsistencySignatures(context: all.context, entries: entries)
  }
}
