internal import CryptoPrimitives

/// Stage 2: collects every dealer's sealed shares and commitments.
struct AggregatorShareKeys: Sendable {
  /// U1's advertisements, ascending.
  let advertisements: [KeyAdvertisement]
  /// Their hash.
  let hash: Digest
  var deals: [ParticipantID: KeyShares] = [:]

  init(advertisements: [KeyAdvertisement], hash: Digest) {
    self.advertisements = advertisements
    self.hash = hash
  }

  var advertisers: [ParticipantID] { advertisements.map(\.participant) }

  func advertised(_ participant: ParticipantID) -> Bool {
    AdvertisementList(advertisements: advertisements).advertisement(of: participant) != nil
  }

  func messages(except gone: Set<ParticipantID>) -> [OutgoingMessage] {
    let message = ServerMessage.advertisementList(AdvertisementList(advertisements: advertisements))
    return advertisers.filter { !gone.contains($0) }.map { OutgoingMessage(recipient: $0, message: message) }
  }

  mutating func take(_ message: KeyShares, _ setting: AggregatorSetting) -> AggregatorRefusal? {
    guard hasRightHolders(message, setting.parameters) else { return .wrongHolders }
    guard MerkleTree.root(leaves(of: message, setting)) == message.root else { return .wrongRoot }
    let signed = setting.keys.shareRoot(
      dealer: message.dealer, advertisements: hash, leafCount: message.entries.count, root: message.root)
    guard setting.verifies(message.signature, of: signed, by: message.dealer) else { return .badSignature }
    deals[message.dealer] = message
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
        (deals[dealer]?.entries.count { present.contains($0.holder) } ?? 0) < setting.parameters.threshold
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
      advertisements: advertised, graph: SettledGraph(deals.filter { present.contains($0.key) }, isComplete: isComplete),
      transcript: transcript,
      sum: RingVector(count: setting.parameters.dimension, modulusBits: setting.parameters.modulusBits))
  }

  /// What every dealer sent to each holder, with the path to the dealer's signed root.
  func deliveries(_ setting: AggregatorSetting, except gone: Set<ParticipantID>) -> [OutgoingMessage] {
    let contributors = contributors(setting)
    let present = Set(contributors)
    let isComplete = setting.parameters.graph == .complete
    var entries: [ParticipantID: [ShareDelivery.Entry]] = [:]
    for dealer in contributors {
      guard let deal = deals[dealer] else { continue }
      let paths = MerkleTree.paths(leaves(of: deal, setting))
      for (index, entry) in deal.entries.enumerated() where present.contains(entry.holder) {
        entries[entry.holder, default: []].append(
          ShareDelivery.Entry(
            dealer: dealer, root: deal.root, signature: deal.signature, selfMaskCommitment: entry.selfMaskCommitment,
            maskSeedCommitment: entry.maskSeedCommitment, sealed: entry.sealed, path: paths[index],
            sharesMask: entry.sharesMask, leafIndex: isComplete ? 0 : UInt32(index),
            leafCount: isComplete ? 0 : UInt32(deal.entries.count)))
      }
    }
    return contributors.filter { !gone.contains($0) }.map { holder in
      OutgoingMessage(
        recipient: holder,
        message: .shareDelivery(
          ShareDelivery(
            context: setting.context, contributors: isComplete ? [] : contributors, entries: entries[holder] ?? [])))
    }
  }

  private func leaves(of message: KeyShares, _ setting: AggregatorSetting) -> [Digest] {
    message.entries.map {
      MerkleTree.leafHash(
        setting.keys.shareLeaf(
          dealer: message.dealer, holder: $0.holder, point: setting.point(of: $0.holder),
          selfMaskCommitment: $0.selfMaskCommitment, maskSeedCommitment: $0.maskSeedCommitment,
          sealed: $0.sealed, sharesMask: setting.parameters.graph == .complete ? nil : $0.sharesMask))
    }
  }
}

/// Who holds whose shares and who shares masks with whom, settled when stage 2 closes.
struct SettledGraph: Sendable {
  /// U2, ascending.
  let contributors: [ParticipantID]
  /// By dealer: the holders of its shares and what it committed to, ascending by holder.
  let holders: [ParticipantID: [(id: ParticipantID, commitments: ShareCommitments)]]
  /// By holder: whose shares it holds, ascending.
  let dealers: [ParticipantID: [ParticipantID]]
  /// Drawn graph: with whom in U2 a participant shares a mask. `nil` in the complete graph: with everybody.
  private let masks: [ParticipantID: Set<ParticipantID>]?

  init(_ deals: [ParticipantID: KeyShares], isComplete: Bool) {
    contributors = deals.keys.sorted()
    holders = deals.mapValues { deal in
      deal.entries.map { ($0.holder, ShareCommitments(selfMask: $0.selfMaskCommitment, maskSeed: $0.maskSeedCommitment)) }
    }
    var dealers: [ParticipantID: [ParticipantID]] = [:]
    var masks: [ParticipantID: Set<ParticipantID>] = [:]
    for dealer in contributors {
      for entry in deals[dealer]?.entries ?? [] where deals[entry.holder] != nil {
        dealers[entry.holder, default: []].append(dealer)
        if entry.sharesMask {
          masks[dealer, default: []].insert(entry.holder)
          masks[entry.holder, default: []].insert(dealer)
        }
      }
    }
    self.dealers = dealers
    self.masks = isComplete ? nil : masks
  }

  /// Whether every contributor has at least `threshold` holders in a set: whether its secrets can be opened by it.
  func isCovered(by present: Set<ParticipantID>, threshold: Int) -> Bool {
    if masks == nil { return present.count >= threshold }
    return contributors.allSatisfy { dealer in
      (holders[dealer]?.count { present.contains($0.id) } ?? 0) >= threshold
    }
  }

  /// What a dealer committed to for one holder.
  func commitments(of dealer: ParticipantID, to holder: ParticipantID) -> ShareCommitments? {
    guard let list = holders[dealer], let index = Self.index(in: list.count, where: { list[$0].id < holder }),
      list[index].id == holder
    else { return nil }
    return list[index].commitments
  }

  /// Where a dealer's share stands in the response of one holder.
  func position(of dealer: ParticipantID, at holder: ParticipantID) -> Int? {
    guard let list = dealers[holder], let index = Self.index(in: list.count, where: { list[$0] < dealer }),
      list[index] == dealer
    else { return nil }
    return index
  }

  /// The first index that is not below, of an ascending list; `nil` when all are.
  private static func index(in count: Int, where isBelow: (Int) -> Bool) -> Int? {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if isBelow(middle) { low = middle + 1 } else { high = middle }
    }
    return low < count ? low : nil
  }

  func sharesMask(_ one: ParticipantID, _ other: ParticipantID) -> Bool {
    masks.map { $0[one]?.contains(other) ?? false } ?? true
  }

  /// Complete graph: everybody's signature says something to everybody; drawn graph: those of the reader's holders do, and its
  /// own must be among them.
  func signatures(_ all: ConsistencySignatures, for reader: ParticipantID) -> ConsistencySignatures {
    guard masks != nil else { return all }
    let witnesses = Set(holders[reader]?.map(\.id) ?? []).union([reader])
    return ConsistencySignatures(context: all.context, entries: all.entries.filter { witnesses.contains($0.participant) })
  }
}

/// A dealer's commitments to the two shares of one holder.
struct ShareCommitments: Sendable {
  let selfMask: Digest
  let maskSeed: Digest

  func of(_ kind: SecretKind) -> Digest { kind == .selfMask ? selfMask : maskSeed }
}
