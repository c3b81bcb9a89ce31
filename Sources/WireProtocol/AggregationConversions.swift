internal import CryptoPrimitives
internal import Foundation
internal import SecureAggregation

extension Tacit_V1_KeyAdvertisement {
  init(_ keys: KeyAdvertisement) {
    self.init()
    version = UInt32(keys.version)
    suite = UInt32(keys.suite)
    context = Tacit_V1_AttemptContext(keys.context)
    participant = keys.participant.rawValue
    channelPublicKey = keys.channelPublicKey.data
    maskPublicKey = keys.maskPublicKey.data
    selfMaskCommitment = keys.selfMaskCommitment.data
    maskSeedCommitment = keys.maskSeedCommitment.data
    ledgerSize = keys.ledger.size
    ledgerHead = keys.ledger.head.data
    signature = keys.signature.data
  }
}

extension KeyAdvertisement {
  init(_ wire: Tacit_V1_KeyAdvertisement) throws(WireError) {
    let fields = WireFields("KeyAdvertisement")
    self.init(
      version: try fields.narrow(wire.version, "version"), suite: try fields.narrow(wire.suite, "suite"),
      context: try fields.context(wire.context, isPresent: wire.hasContext),
      participant: ParticipantID(wire.participant),
      channelPublicKey: try fields.value(wire.channelPublicKey, "channel_public_key"),
      maskPublicKey: try fields.value(wire.maskPublicKey, "mask_public_key"),
      selfMaskCommitment: try fields.value(wire.selfMaskCommitment, "self_mask_commitment"),
      maskSeedCommitment: try fields.value(wire.maskSeedCommitment, "mask_seed_commitment"),
      ledger: LedgerHead(size: wire.ledgerSize, head: try fields.value(wire.ledgerHead, "ledger_head")),
      signature: try fields.value(wire.signature, "signature"))
  }
}

extension Tacit_V1_AdvertisementList {
  init(_ list: AdvertisementList) {
    self.init()
    advertisements = list.advertisements.map { Tacit_V1_KeyAdvertisement($0) }
  }
}

extension AdvertisementList {
  init(_ wire: Tacit_V1_AdvertisementList) throws(WireError) {
    var advertisements: [KeyAdvertisement] = []
    for advertisement in wire.advertisements { advertisements.append(try KeyAdvertisement(advertisement)) }
    self.init(advertisements: advertisements)
  }
}

extension Tacit_V1_KeyShares {
  init(_ shares: KeyShares) {
    self.init()
    context = Tacit_V1_AttemptContext(shares.context)
    dealer = shares.dealer.rawValue
    root = shares.root.data
    signature = shares.signature.data
    entries = shares.entries.map { entry in
      var wire = Entry()
      wire.holder = entry.holder.rawValue
      wire.selfMaskCommitment = entry.selfMaskCommitment.data
      wire.maskSeedCommitment = entry.maskSeedCommitment.data
      wire.sealed = entry.sealed?.data ?? Data()
      wire.sharesMask = entry.sharesMask
      return wire
    }
  }
}

extension KeyShares {
  init(_ wire: Tacit_V1_KeyShares) throws(WireError) {
    let fields = WireFields("KeyShares")
    var entries: [Entry] = []
    for entry in wire.entries {
      entries.append(
        Entry(
          holder: ParticipantID(entry.holder),
          selfMaskCommitment: try fields.value(entry.selfMaskCommitment, "entries.self_mask_commitment"),
          maskSeedCommitment: try fields.value(entry.maskSeedCommitment, "entries.mask_seed_commitment"),
          sealed: entry.sealed.isEmpty ? nil : try fields.value(entry.sealed, "entries.sealed"),
          sharesMask: entry.sharesMask))
    }
    self.init(
      context: try fields.context(wire.context, isPresent: wire.hasContext), dealer: ParticipantID(wire.dealer),
      root: try fields.value(wire.root, "root"), signature: try fields.value(wire.signature, "signature"),
      entries: entries)
  }
}

extension Tacit_V1_ShareDelivery {
  init(_ delivery: ShareDelivery) {
    self.init()
    context = Tacit_V1_AttemptContext(delivery.context)
    contributors = delivery.contributors.map(\.rawValue)
    entries = delivery.entries.map { entry in
      var wire = Entry()
      wire.dealer = entry.dealer.rawValue
      wire.root = entry.root.data
      wire.signature = entry.signature.data
      wire.selfMaskCommitment = entry.selfMaskCommitment.data
      wire.maskSeedCommitment = entry.maskSeedCommitment.data
      wire.sealed = entry.sealed?.data ?? Data()
      wire.path = entry.path.map { $0.data }
      wire.sharesMask = entry.sharesMask
      wire.leafIndex = entry.leafIndex
      wire.leafCount = entry.leafCount
      return wire
    }
  }
}

extension ShareDelivery {
  init(_ wire: Tacit_V1_ShareDelivery) throws(WireError) {
    let fields = WireFields("ShareDelivery")
    var entries: [Entry] = []
    for entry in wire.entries {
      var path: [Digest] = []
      for sibling in entry.path { path.append(try fields.value(sibling, "entries.path")) }
      entries.append(
        Entry(
          dealer: ParticipantID(entry.dealer), root: try fields.value(entry.root, "entries.root"),
          signature: try fields.value(entry.signature, "entries.signature"),
          selfMaskCommitment: try fields.value(entry.selfMaskCommitment, "entries.self_mask_commitment"),
          maskSeedCommitment: try fields.value(entry.maskSeedCommitment, "entries.mask_seed_commitment"),
          sealed: entry.sealed.isEmpty ? nil : try fields.value(entry.sealed, "entries.sealed"), path: path,
          sharesMask: entry.sharesMask, leafIndex: entry.leafIndex, leafCount: entry.leafCount))
    }
    self.init(
      context: try fields.context(wire.context, isPresent: wire.hasContext),
      contributors: wire.contributors.map { ParticipantID($0) }, entries: entries)
  }
}

extension Tacit_V1_MaskedInput {
  init(_ input: MaskedInput) {
    self.init()
    context = Tacit_V1_AttemptContext(input.context)
    participant = input.participant.rawValue
    packed = Data(input.packed)
    digest = SHA256.hash(input.packed).data
  }
}

extension MaskedInput {
  init(_ wire: Tacit_V1_MaskedInput) throws(WireError) {
    let fields = WireFields("MaskedInput")
    self.init(
      context: try fields.context(wire.context, isPresent: wire.hasContext),
      participant: ParticipantID(wire.participant), packed: try fields.packed(wire.packed, digest: wire.digest))
  }
}

extension Tacit_V1_SurvivorSet {
  init(_ set: SurvivorSet) {
    self.init()
    context = Tacit_V1_AttemptContext(set.context)
    survivors = set.survivors.map(\.rawValue)
  }
}

extension SurvivorSet {
  init(_ wire: Tacit_V1_SurvivorSet) throws(WireError) {
    let fields = WireFields("SurvivorSet")
    self.init(
      context: try fields.context(wire.context, isPresent: wire.hasContext),
      survivors: wire.survivors.map { ParticipantID($0) })
  }
}

extension Tacit_V1_ConsistencySignature {
  init(_ signature: ConsistencySignature) {
    self.init()
    context = Tacit_V1_AttemptContext(signature.context)
    participant = signature.participant.rawValue
    self.signature = signature.signature.data
  }
}

extension ConsistencySignature {
  init(_ wire: Tacit_V1_ConsistencySignature) throws(WireError) {
    let fields = WireFields("ConsistencySignature")
    self.init(
      context: try fields.context(wire.context, isPresent: wire.hasContext),
      participant: ParticipantID(wire.participant), signature: try fields.value(wire.signature, "signature"))
  }
}

extension Tacit_V1_ConsistencySignatures {
  init(_ signatures: ConsistencySignatures) {
    self.init()
    context = Tacit_V1_AttemptContext(signatures.context)
    entries = signatures.entries.map { entry in
      var wire = Entry()
      wire.participant = entry.participant.rawValue
      wire.signature = entry.signature.data
      return wire
    }
  }
}

extension ConsistencySignatures {
  init(_ wire: Tacit_V1_ConsistencySignatures) throws(WireError) {
    let fields = WireFields("ConsistencySignatures")
    var entries: [Entry] = []
    for entry in wire.entries {
      entries.append(
        Entry(
          participant: ParticipantID(entry.participant),
          signature: try fields.value(entry.signature, "entries.signature")))
    }
    self.init(context: try fields.context(wire.context, isPresent: wire.hasContext), entries: entries)
  }
}

extension Tacit_V1_UnmaskResponse {
  init(_ response: UnmaskResponse) {
    self.init()
    context = Tacit_V1_AttemptContext(response.context)
    participant = response.participant.rawValue
    entries = response.entries.map { entry in
      var wire = Entry()
      wire.dealer = entry.dealer.rawValue
      wire.kind = UInt32(entry.kind.rawValue)
      wire.share = entry.share.data
      wire.salt = entry.salt.data
      return wire
    }
  }
}

extension UnmaskResponse {
  init(_ wire: Tacit_V1_UnmaskResponse) throws(WireError) {
    let fields = WireFields("UnmaskResponse")
    var entries: [Entry] = []
    for entry in wire.entries {
      let kind: UInt8 = try fields.narrow(entry.kind, "entries.kind")
      entries.append(
        Entry(
          dealer: ParticipantID(entry.dealer),
          kind: try fields.require(SecretKind(rawValue: kind), "entries.kind", "found \(kind), expected 1 or 2"),
          share: try fields.value(entry.share, "entries.share"), salt: try fields.value(entry.salt, "entries.salt")))
    }
    self.init(
      context: try fields.context(wire.context, isPresent: wire.hasContext),
      participant: ParticipantID(wire.participant), entries: entries)
  }
}

extension Tacit_V1_Abort {
  init(_ abort: Abort) {
    self.init()
    context = Tacit_V1_AttemptContext(abort.context)
    reason = UInt32(abort.reason.rawValue)
    suspects = abort.suspects.map(\.rawValue)
  }
}

extension Abort {
  init(_ wire: Tacit_V1_Abort) throws(WireError) {
    let fields = WireFields("Abort")
    let code: UInt8 = try fields.narrow(wire.reason, "reason")
    self.init(
      context: try fields.context(wire.context, isPresent: wire.hasContext),
      reason: try fields.require(AbortReason(rawValue: code), "reason", "found \(code), not a reason"),
      suspects: wire.suspects.map { ParticipantID($0) })
  }
}
