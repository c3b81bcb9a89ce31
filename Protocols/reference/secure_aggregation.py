#!/usr/bin/env python3
"""Slow, independent reference of Protocols/secure-aggregation.md; writes vectors/secure-aggregation/*.json.

Needs Python 3.9 and the `cryptography` package. It shares no code with the Swift implementation and never calls it.
Run it without arguments to write the vector files again; they come out the same byte for byte.
"""

import hashlib
import json
import os
import struct

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VERSION = 1
AES256CTR, CHACHA20 = 1, 2
SELF_MASK, MASK_SEED = 1, 2
PRIME = 2**61 - 1


# ---- Encoding (section 2) ----------------------------------------------------------------------------------------

def u8(x): return struct.pack("<B", x)
def u16(x): return struct.pack("<H", x)
def u32(x): return struct.pack("<I", x)
def u64(x): return struct.pack("<Q", x)


def encode(*fields):
    return b"".join(u32(len(field)) + field for field in fields)


def sha256(data): return hashlib.sha256(data).digest()


class Context:
    def __init__(self, suite, session, round_, attempt, binding):
        self.suite, self.session, self.round, self.attempt, self.binding = suite, session, round_, attempt, binding

    def fields(self, purpose, *rest):
        return encode(b"tacit-secagg", u16(VERSION), u8(self.suite), purpose.encode("ascii"), self.session,
                      u32(self.round), u32(self.attempt), self.binding, *rest)

    def json(self):
        return {"suite": self.suite, "session": self.session.hex(), "round": self.round, "attempt": self.attempt,
                "binding": self.binding.hex()}


# ---- Primitives --------------------------------------------------------------------------------------------------

def raw(public): return public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
def x25519_public(scalar): return raw(X25519PrivateKey.from_private_bytes(scalar).public_key())


def x25519(scalar, point):
    return X25519PrivateKey.from_private_bytes(scalar).exchange(X25519PublicKey.from_public_bytes(point))


def ed25519_public(seed): return raw(Ed25519PrivateKey.from_private_bytes(seed).public_key())
def ed25519_sign(seed, message): return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def ed25519_verify(public, signature, message):
    Ed25519PublicKey.from_public_bytes(public).verify(signature, message)


def hkdf(secret, info): return HKDF(hashes.SHA256(), 32, None, info).derive(secret)


def keystream(suite, key, count):
    if suite == AES256CTR:
        cipher = Cipher(algorithms.AES(key), modes.CTR(bytes(16)))
    else:
        cipher = Cipher(algorithms.ChaCha20(key, bytes(16)), None)
    return cipher.encryptor().update(bytes(count))


def hchacha20(key, nonce16):
    """draft-irtf-cfrg-xchacha-03, section 2.2."""
    state = list(struct.unpack("<4I", b"expand 32-byte k") + struct.unpack("<8I", key) + struct.unpack("<4I", nonce16))

    def quarter(a, b, c, d):
        for x, y, z, r in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            state[x] = (state[x] + state[y]) & 0xFFFFFFFF
            state[z] ^= state[x]
            state[z] = ((state[z] << r) | (state[z] >> (32 - r))) & 0xFFFFFFFF

    for _ in range(10):
        quarter(0, 4, 8, 12); quarter(1, 5, 9, 13); quarter(2, 6, 10, 14); quarter(3, 7, 11, 15)
        quarter(0, 5, 10, 15); quarter(1, 6, 11, 12); quarter(2, 7, 8, 13); quarter(3, 4, 9, 14)
    return struct.pack("<8I", *(state[0:4] + state[12:16]))


def xchacha_seal(key, nonce, plaintext, data):
    return ChaCha20Poly1305(hchacha20(key, nonce[:16])).encrypt(bytes(4) + nonce[16:], plaintext, data)


def xchacha_open(key, nonce, sealed, data):
    return ChaCha20Poly1305(hchacha20(key, nonce[:16])).decrypt(bytes(4) + nonce[16:], sealed, data)


class RandomStream:
    """The ChaCha20 keystream of a key, read from its start: what vectors use for randomness."""

    def __init__(self, key):
        self.encryptor = Cipher(algorithms.ChaCha20(key, bytes(16)), None).encryptor()

    def bytes(self, count): return self.encryptor.update(bytes(count))

    def element(self):
        while True:
            value = struct.unpack("<Q", self.bytes(8))[0] & PRIME
            if value != PRIME:
                return value

    def below(self, bound):
        while True:
            value = struct.unpack("<Q", self.bytes(8))[0]
            if value < 2**64 // bound * bound:
                return value % bound


# ---- Keys and commitments (section 4) ----------------------------------------------------------------------------

def mask_secret(context, participant, seed):
    return hkdf(seed, context.fields("mask key pair", u32(participant)))


def self_mask_key(context, participant, seed):
    return hkdf(seed, context.fields("self mask", u32(participant)))


def pair_fields(one, other):
    (low, low_key), (high, high_key) = sorted([one, other])
    return [u32(low), low_key, u32(high), high_key]


def pair_mask_key(context, own_scalar, own, peer):
    return hkdf(x25519(own_scalar, peer[1]), context.fields("pair mask", *pair_fields(own, peer)))


def channel_key(context, own_scalar, own, peer, source):
    return hkdf(x25519(own_scalar, peer[1]), context.fields("channel", *pair_fields(own, peer), u32(source)))


def seed_commitment(context, kind, participant, seed):
    purpose = "self-mask commitment" if kind == SELF_MASK else "mask-seed commitment"
    return sha256(context.fields(purpose, u32(participant), seed))


def share_commitment(context, dealer, holder, kind, point, share, salt):
    return sha256(context.fields("share commitment", u32(dealer), u32(holder), u8(kind), u64(point), share + salt))


# ---- Shamir (section 5) ------------------------------------------------------------------------------------------

def limbs(seed):
    number = int.from_bytes(seed, "little")
    return [(number >> (52 * i)) & (2**52 - 1) for i in range(5)]


def deal(seed, threshold, points, random):
    polynomials = [[limb] + [random.element() for _ in range(threshold - 1)] for limb in limbs(seed)]
    shares = []
    for x in points:
        values = [sum(c * pow(x, k, PRIME) for k, c in enumerate(p)) % PRIME for p in polynomials]
        shares.append(b"".join(u64(v) for v in values))
    return shares


def reconstruct(shares):
    """shares: {point: 40 bytes}; None when a limb is too large."""
    number = 0
    for limb in range(5):
        value = 0
        for x, share in shares.items():
            weight = 1
            for other in shares:
                if other != x:
                    weight = weight * other * pow(other - x, PRIME - 2, PRIME) % PRIME
            value += weight * struct.unpack_from("<Q", share, 8 * limb)[0]
        value %= PRIME
        if value >= (2**48 if limb == 4 else 2**52):
            return None
        number |= value << (52 * limb)
    return number.to_bytes(32, "little")


# ---- Masks and packing (sections 6 and 7) ------------------------------------------------------------------------

def expand(suite, key, count, bits):
    width = 4 if bits <= 32 else 8
    stream = keystream(suite, key, count * width)
    return list(struct.unpack("<%d%s" % (count, "I" if width == 4 else "Q"), stream))


def pack(values, bits):
    number = 0
    for index, value in enumerate(values):
        number |= (value % 2**bits) << (index * bits)
    return number.to_bytes((len(values) * bits + 7) // 8, "little")


def unpack(data, count, bits):
    if len(data) != (count * bits + 7) // 8:
        raise ValueError("length")
    number = int.from_bytes(data, "little")
    if number >> (count * bits):
        raise ValueError("padding")
    return [(number >> (index * bits)) & (2**bits - 1) for index in range(count)]


# ---- Merkle tree (RFC 9162) --------------------------------------------------------------------------------------

def leaf_hash(data): return sha256(b"\x00" + data)


def merkle(leaves):
    """(root, paths)"""
    if len(leaves) == 1:
        return leaves[0], [[]]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, left_paths = merkle(leaves[:split])
    right, right_paths = merkle(leaves[split:])
    return (sha256(b"\x01" + left + right),
            [path + [right] for path in left_paths] + [path + [left] for path in right_paths])


# ---- The five stages ---------------------------------------------------------------------------------------------

class Client:
    def __init__(self, plan, context, participant, identity, random_key):
        self.plan, self.context, self.id, self.identity = plan, context, participant, identity
        self.random_key, self.random = random_key, RandomStream(random_key)

    def advertise(self):
        self.channel = self.random.bytes(32)
        self.b = self.random.bytes(32)
        self.s = self.random.bytes(32)
        self.mask = mask_secret(self.context, self.id, self.s)
        body = {
            "participant": self.id,
            "channelPublicKey": x25519_public(self.channel), "maskPublicKey": x25519_public(self.mask),
            "selfMaskCommitment": seed_commitment(self.context, SELF_MASK, self.id, self.b),
            "maskSeedCommitment": seed_commitment(self.context, MASK_SEED, self.id, self.s),
            "ledgerSize": 0, "ledgerHead": bytes(32),
        }
        body["signature"] = ed25519_sign(
            self.identity, self.context.fields("key advertisement", *advertisement_fields(body)))
        return body

    def share_keys(self, advertisements):
        self.list = {a["participant"]: a for a in advertisements}
        self.hash1 = advertisements_hash(self.plan, self.context, advertisements)
        graph = self.plan.get("graph")
        holders, self.masked = sorted(self.list), None
        if graph:
            draw = draw_holders(self.plan["participants"], self.id, graph["holders"], self.random)
            holders = sorted(p for p in draw if p in self.list)
            assert len(holders) >= self.plan["threshold"]
            self.masked = set(draw[:graph["maskDraws"]])
        self.holders = holders
        points = [self.plan["participants"].index(h) + 1 for h in holders]
        b_shares = deal(self.b, self.plan["threshold"], points, self.random)
        s_shares = deal(self.s, self.plan["threshold"], points, self.random)
        entries, leaves = [], []
        for holder, point, b_share, s_share in zip(holders, points, b_shares, s_shares):
            b_salt, s_salt = self.random.bytes(32), self.random.bytes(32)
            plaintext = b_share + b_salt + s_share + s_salt
            entry = {
                "holder": holder,
                "selfMaskCommitment": share_commitment(self.context, self.id, holder, SELF_MASK, point, b_share, b_salt),
                "maskSeedCommitment": share_commitment(self.context, self.id, holder, MASK_SEED, point, s_share, s_salt),
                "sealed": b"",
            }
            if holder == self.id:
                self.own = plaintext
            else:
                key = channel_key(self.context, self.channel, (self.id, x25519_public(self.channel)),
                                  (holder, self.list[holder]["channelPublicKey"]), self.id)
                data = self.context.fields("sealed shares", u32(self.id), u32(holder), self.hash1)
                entry["sealed"] = xchacha_seal(key, bytes(24), plaintext, data)
            if graph:
                entry["sharesMask"] = holder in self.masked
            entries.append(entry)
            leaves.append(share_leaf(self.context, self.id, point, entry))
        root, _ = merkle(leaves)
        signature = ed25519_sign(self.identity, root_bytes(self.context, self.id, self.hash1, len(leaves), root))
        return {"dealer": self.id, "root": root, "signature": signature, "entries": entries}

    def masked_input(self, deliveries, values, contributors=None):
        self.shares = {}
        for entry in deliveries:
            if entry["dealer"] == self.id:
                self.shares[self.id] = self.own
                continue
            dealer = entry["dealer"]
            key = channel_key(self.context, self.channel, (self.id, x25519_public(self.channel)),
                              (dealer, self.list[dealer]["channelPublicKey"]), dealer)
            data = self.context.fields("sealed shares", u32(dealer), u32(self.id), self.hash1)
            self.shares[dealer] = xchacha_open(key, bytes(24), entry["sealed"], data)
        if self.masked is None:
            self.transcript = transcript(self.context, self.hash1, [(e["dealer"], e["root"]) for e in deliveries])
            peers = [p for p in self.shares if p != self.id]
        else:
            self.transcript = drawn_transcript(self.context, self.hash1, contributors)
            peers = sorted({h for h in self.holders if h in self.masked and h in contributors}
                           | {e["dealer"] for e in deliveries if e["sharesMask"]})
        bits, count, suite = self.plan["modulusBits"], self.plan["dimension"], self.context.suite
        total = list(values)

        def add(key, sign):
            for index, lane in enumerate(expand(suite, key, count, bits)):
                total[index] += sign * lane

        add(self_mask_key(self.context, self.id, self.b), 1)
        for peer in peers:
            key = pair_mask_key(self.context, self.mask, (self.id, x25519_public(self.mask)),
                                (peer, self.list[peer]["maskPublicKey"]))
            add(key, 1 if self.id < peer else -1)
        return pack(total, bits)

    def consistency_signature(self, survivors):
        return ed25519_sign(self.identity, survivor_bytes(self.context, self.transcript, survivors))

    def unmask(self, survivors):
        entries = []
        for dealer in sorted(self.shares):
            kind = SELF_MASK if dealer in survivors else MASK_SEED
            half = self.shares[dealer][:72] if kind == SELF_MASK else self.shares[dealer][72:]
            entries.append({"dealer": dealer, "kind": kind, "share": half[:40], "salt": half[40:]})
        return entries


def advertisement_fields(a):
    return [u32(a["participant"]), a["channelPublicKey"], a["maskPublicKey"], a["selfMaskCommitment"],
            a["maskSeedCommitment"], u64(a["ledgerSize"]), a["ledgerHead"]]


def advertisements_hash(plan, context, advertisements):
    fields = [u32(plan["threshold"]), u32(plan["minimumSurvivors"]), u64(plan["dimension"]), u32(plan["modulusBits"]),
              u32(len(plan["participants"]))] + [u32(p) for p in plan["participants"]]
    fields.append(u32(len(advertisements)))
    for advertisement in advertisements:
        fields += advertisement_fields(advertisement)
    graph = plan.get("graph")
    if graph:
        return sha256(context.fields("advertisement list of a drawn graph", u32(graph["holders"]), u32(graph["maskDraws"]),
                                     *fields))
    return sha256(context.fields("advertisement list", *fields))


def draw_holders(participants, own, count, random):
    """Section 13.2: in the order of the draw."""
    rank, order = participants.index(own), []
    while len(order) < count:
        index = random.below(len(participants) - 1)
        drawn = participants[index if index < rank else index + 1]
        if drawn not in order:
            order.append(drawn)
    return order


def share_leaf(context, dealer, point, entry):
    flag = [u8(1 if entry["sharesMask"] else 0)] if "sharesMask" in entry else []
    return leaf_hash(context.fields("share leaf", u32(dealer), u32(entry["holder"]), u64(point),
                                    entry["selfMaskCommitment"], entry["maskSeedCommitment"], sha256(entry["sealed"]),
                                    *flag))


def root_bytes(context, dealer, hash1, leaf_count, root):
    return context.fields("share root", u32(dealer), hash1, u32(leaf_count), root)


def transcript(context, hash1, roots):
    fields = [hash1, u32(len(roots))]
    for dealer, root in roots:
        fields += [u32(dealer), root]
    return sha256(context.fields("transcript", *fields))


def drawn_transcript(context, hash1, contributors):
    return sha256(context.fields("transcript of a drawn graph", hash1, u32(len(contributors)), *[u32(c) for c in contributors]))


def survivor_bytes(context, transcript_hash, survivors):
    return context.fields("survivor set", transcript_hash, u32(len(survivors)), *[u32(p) for p in survivors])


def run(name, plan, context, inputs, silent_at_masked_input=()):
    """A whole attempt; every message is in the vector."""
    participants = plan["participants"]
    clients = {
        p: Client(plan, context, p, test_bytes("identity %s %d" % (name, p)), test_bytes("random %s %d" % (name, p)))
        for p in participants
    }
    advertisements = [clients[p].advertise() for p in participants]
    deals = [clients[p].share_keys(advertisements) for p in participants]
    graph = plan.get("graph")
    deliveries = {}
    for holder in participants:
        entries = []
        for dealt in deals:
            position = next((i for i, e in enumerate(dealt["entries"]) if e["holder"] == holder), None)
            if position is None:
                continue
            entry = dealt["entries"][position]
            leaves = [share_leaf(context, dealt["dealer"], plan["participants"].index(e["holder"]) + 1, e)
                      for e in dealt["entries"]]
            root, paths = merkle(leaves)
            assert root == dealt["root"]
            entries.append({"dealer": dealt["dealer"], "root": root, "signature": dealt["signature"],
                            "selfMaskCommitment": entry["selfMaskCommitment"],
                            "maskSeedCommitment": entry["maskSeedCommitment"], "sealed": entry["sealed"],
                            "path": paths[position]})
            if graph:
                entries[-1].update(sharesMask=entry["sharesMask"], leafIndex=position, leafCount=len(leaves))
        deliveries[holder] = entries
    masked = {p: clients[p].masked_input(deliveries[p], inputs[p], participants) for p in participants}
    survivors = [p for p in participants if p not in silent_at_masked_input]
    signatures = [{"participant": p, "signature": clients[p].consistency_signature(survivors)} for p in survivors]
    responses = [{"participant": p, "entries": clients[p].unmask(survivors)} for p in survivors]

    # The server's side: open every secret from the first t responses and take the masks off.
    bits, count = plan["modulusBits"], plan["dimension"]
    total = [0] * count
    for p in survivors:
        total = [a + b for a, b in zip(total, unpack(masked[p], count, bits))]
    points = {p: participants.index(p) + 1 for p in participants}
    masks = {(d["dealer"], e["holder"]) for d in deals for e in d["entries"] if e.get("sharesMask", True)}
    for index, dealer in enumerate(participants):
        opened = {points[r["participant"]]: e["share"] for r in responses for e in r["entries"] if e["dealer"] == dealer}
        seed = reconstruct({x: opened[x] for x in sorted(opened)[:plan["threshold"]]})
        advertisement = advertisements[index]
        if dealer in survivors:
            assert seed_commitment(context, SELF_MASK, dealer, seed) == advertisement["selfMaskCommitment"]
            lanes = expand(context.suite, self_mask_key(context, dealer, seed), count, bits)
            total = [a - b for a, b in zip(total, lanes)]
            continue
        assert seed_commitment(context, MASK_SEED, dealer, seed) == advertisement["maskSeedCommitment"]
        scalar = mask_secret(context, dealer, seed)
        assert x25519_public(scalar) == advertisement["maskPublicKey"]
        for p in survivors:
            if (p, dealer) not in masks and (dealer, p) not in masks:
                continue
            peer = advertisements[participants.index(p)]["maskPublicKey"]
            lanes = expand(context.suite, pair_mask_key(context, scalar, (dealer, advertisement["maskPublicKey"]), (p, peer)),
                           count, bits)
            sign = -1 if p < dealer else 1
            total = [a + sign * b for a, b in zip(total, lanes)]
    total = [value % 2**bits for value in total]
    assert total == [sum(inputs[p][i] for p in survivors) % 2**bits for i in range(count)]

    for signature in signatures:
        ed25519_verify(ed25519_public(clients[signature["participant"]].identity), signature["signature"],
                       survivor_bytes(context, clients[participants[0]].transcript, survivors))
    return {
        "comment": "A whole attempt with every message. Randomness of a client is the ChaCha20 keystream of randomKey.",
        "plan": plan, "context": context.json(),
        "clients": [{"participant": p, "identitySeed": clients[p].identity, "randomKey": clients[p].random_key,
                     "input": inputs[p]} for p in participants],
        "advertisements": advertisements,
        "advertisementsHash": clients[participants[0]].hash1,
        "keyShares": deals,
        "shareDeliveries": [dict({"holder": p, "entries": deliveries[p]}, **({"contributors": participants} if graph else {}))
                            for p in participants],
        "transcript": clients[participants[0]].transcript,
        "silentAtMaskedInput": list(silent_at_masked_input),
        "maskedInputs": [{"participant": p, "packed": masked[p]} for p in participants],
        "survivors": survivors,
        "signatures": signatures,
        "unmaskResponses": responses,
        "sum": total,
    }


# ---- Vector files ------------------------------------------------------------------------------------------------

def plain(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors", "secure-aggregation")


def write(name, value):
    value = {"generator": "Protocols/reference/secure_aggregation.py", **value}
    with open(os.path.join(FOLDER, name + ".json"), "w") as file:
        json.dump(plain(value), file, indent=1)
        file.write("\n")


def test_bytes(label, count=32):
    return b"".join(sha256(label.encode() + u32(i)) for i in range((count + 31) // 32))[:count]


def test_context(suite, label="vectors"):
    return Context(suite, test_bytes("session " + label, 16), 7, 2, test_bytes("binding " + label))


def key_derivation():
    cases = []
    for suite in (AES256CTR, CHACHA20):
        context = test_context(suite)
        seed, scalar = test_bytes("mask seed"), test_bytes("other scalar")
        own = mask_secret(context, 9, seed)
        for peer in (4, 1000):
            mine, theirs = (9, x25519_public(own)), (peer, x25519_public(scalar))
            assert pair_mask_key(context, own, mine, theirs) == pair_mask_key(context, scalar, theirs, mine)
            cases.append({
                "context": context.json(), "participant": 9, "maskSeed": seed, "maskPublicKey": mine[1],
                "selfMaskSeed": test_bytes("self-mask seed"),
                "selfMaskKey": self_mask_key(context, 9, test_bytes("self-mask seed")),
                "peer": peer, "peerScalar": scalar, "peerPublicKey": theirs[1],
                "pairMaskKey": pair_mask_key(context, own, mine, theirs),
                "channelKeyToPeer": channel_key(context, own, mine, theirs, 9),
                "channelKeyFromPeer": channel_key(context, own, mine, theirs, peer),
            })
    write("good_key_derivation", {
        "comment": "Section 4. The participant's mask key pair serves for the channel keys too, to keep the case small.",
        "cases": cases})


def commitments():
    context = test_context(AES256CTR)
    share, salt = deal(test_bytes("seed"), 3, [4], RandomStream(test_bytes("stream")))[0], test_bytes("salt")
    leaves = [leaf_hash(u32(i)) for i in range(7)]
    write("good_commitments", {
        "comment": "Sections 4 and 5: commitments to seeds and shares, and the Merkle tree.",
        "context": context.json(), "participant": 9, "seed": test_bytes("seed"),
        "selfMaskCommitment": seed_commitment(context, SELF_MASK, 9, test_bytes("seed")),
        "maskSeedCommitment": seed_commitment(context, MASK_SEED, 9, test_bytes("seed")),
        "holder": 12, "point": 4, "share": share, "salt": salt,
        "selfMaskShareCommitment": share_commitment(context, 9, 12, SELF_MASK, 4, share, salt),
        "maskSeedShareCommitment": share_commitment(context, 9, 12, MASK_SEED, 4, share, salt),
        "leaves": leaves,
        "trees": [{"leafCount": n, "root": merkle(leaves[:n])[0], "paths": merkle(leaves[:n])[1]} for n in range(1, 8)],
    })


def shamir():
    cases = []
    seeds = [bytes(32), b"\xff" * 32, test_bytes("shamir 1"), test_bytes("shamir 2")]
    for index, seed in enumerate(seeds):
        for threshold, count in ((2, 3), (3, 4), (5, 7)):
            key = test_bytes("shamir stream %d" % index)
            shares = deal(seed, threshold, list(range(1, count + 1)), RandomStream(key))
            assert reconstruct({x: shares[x - 1] for x in range(count - threshold + 1, count + 1)}) == seed
            cases.append({"seed": seed, "threshold": threshold, "count": count, "randomKey": key, "shares": shares})
    write("good_shamir", {
        "comment": "Section 5. Shares at the points 1 to count; coefficients from the ChaCha20 keystream of randomKey.",
        "cases": cases})
    bad = []
    for limb, value in ((0, 2**52), (3, PRIME - 1), (4, 2**48)):
        values = [u64(value if i == limb else 1) for i in range(5)]
        share = b"".join(values)
        assert reconstruct({1: share, 2: share}) is None
        bad.append({"points": [1, 2], "shares": [share, share]})
    write("bad_shamir_limb_too_large", {
        "comment": "Section 5. Constant shares of a limb outside its range: no seed has them; reconstruction must refuse.",
        "cases": bad})
    write("bad_shamir_element_not_below_prime", {
        "comment": "Section 5. No share: an element is 2^61 - 1 or more.",
        "shares": [u64(PRIME) + bytes(32), bytes(32) + u64(2**64 - 1), bytes(16) + u64(2**61) + bytes(16)]})


def masks():
    cases = []
    for suite in (AES256CTR, CHACHA20):
        for bits in (16, 32, 33, 62):
            for count in (5, 20000):
                lanes = expand(suite, test_bytes("mask key"), count, bits)
                packed = pack(lanes, bits)
                cases.append({"suite": suite, "key": test_bytes("mask key"), "modulusBits": bits, "count": count,
                              "first": [str(lane % 2**bits) for lane in lanes[:5]],
                              "last": str(lanes[-1] % 2**bits), "sha256OfPacked": sha256(packed)})
    write("good_mask_expansion", {"comment": "Section 6. Lanes modulo 2^b as decimal strings.", "cases": cases})


def packing():
    cases = []
    for bits in (2, 3, 8, 13, 23, 31, 32, 33, 45, 57, 58, 62):
        for count in (1, 7, 8, 9, 33):
            values = [int.from_bytes(test_bytes("value %d %d" % (bits, i), 8), "little") % 2**bits for i in range(count)]
            values[0] = 2**bits - 1
            packed = pack(values, bits)
            assert unpack(packed, count, bits) == values
            cases.append({"modulusBits": bits, "count": count, "values": [str(v) for v in values], "packed": packed})
    write("good_packing", {"comment": "Section 7. Values as decimal strings.", "cases": cases})
    packed = pack([1, 2, 3], 13)
    write("bad_packing_length", {
        "comment": "Section 7. Three entries of 13 bits are 5 bytes.", "modulusBits": 13, "count": 3,
        "packed": [packed[:-1], packed + b"\0", b""]})
    write("bad_packing_padding", {
        "comment": "Section 7. A bit after the 39th is set.", "modulusBits": 13, "count": 3,
        "packed": [packed[:-1] + u8(packed[-1] | 0x80)]})


def transcripts():
    for name, participants, threshold, bits, suite, silent in (
            ("three_parties", [2, 5, 11], 3, 16, AES256CTR, ()),
            ("four_parties_one_dropout", [1, 4, 6, 300], 3, 23, AES256CTR, (4,)),
            ("four_parties_chacha20", [1, 4, 6, 300], 3, 40, CHACHA20, (300,))):
        plan = {"participants": participants, "threshold": threshold, "minimumSurvivors": 3, "dimension": 5,
                "modulusBits": bits}
        inputs = {p: [(p * 31 + 7 * i) % 2**bits for i in range(5)] for p in participants}
        inputs[participants[0]][4] = 2**bits - 1
        vector = run(name, plan, test_context(suite, name), inputs, silent)
        write("good_attempt_" + name, vector)
        if name == "four_parties_one_dropout":
            bad_attempts("good_attempt_" + name, vector)
    participants = [1, 3, 4, 8, 20, 21, 77]
    plan = {"participants": participants, "threshold": 3, "minimumSurvivors": 4, "dimension": 5, "modulusBits": 23,
            "graph": {"holders": 5, "maskDraws": 3}}
    inputs = {p: [(p * 31 + 7 * i) % 2**23 for i in range(5)] for p in participants}
    vector = run("drawn_graph", plan, test_context(AES256CTR, "drawn_graph"), inputs, (8,))
    write("good_attempt_drawn_graph", vector)
    bad_drawn_attempts("good_attempt_drawn_graph", vector)


def flip(data, index=0):
    return data[:index] + bytes([data[index] ^ 1]) + data[index + 1:]


def bad_attempts(base, good):
    """One server message of a good attempt is replaced; the client named must refuse with the reason given."""
    def bad(name, comment, event, message, refusal, recipient=6):
        write("bad_attempt_" + name, {"comment": comment, "attempt": base, "recipient": recipient, "event": event,
                                      "message": message, "refusal": refusal})

    def advertisements(change):
        copy = [dict(a) for a in good["advertisements"]]
        change(copy)
        return copy

    def delivery(change):
        copy = [dict(e) for e in next(d for d in good["shareDeliveries"] if d["holder"] == 6)["entries"]]
        change(copy)
        return copy

    def signatures(change):
        copy = [dict(s) for s in good["signatures"]]
        change(copy)
        return copy

    bad("advertisement_signature", "A server in the middle swapped a mask key.", "advertisementList",
        advertisements(lambda c: c[0].update(maskPublicKey=c[1]["maskPublicKey"])), "bad advertisement signature")
    bad("advertisement_order", "Not ascending.", "advertisementList",
        advertisements(lambda c: c.reverse()), "not ascending")
    bad("advertisement_own_missing", "The recipient's own advertisement is left out.", "advertisementList",
        advertisements(lambda c: c.pop(2)), "own advertisement changed")
    bad("advertisement_too_few", "Below the threshold.", "advertisementList",
        advertisements(lambda c: (c.pop(3), c.pop(0))), "too few participants")
    bad("share_not_under_root", "One bit of a ciphertext was changed on the way.", "shareDelivery",
        delivery(lambda c: c[0].update(sealed=flip(c[0]["sealed"], 80))), "share not under root")
    bad("share_signature", "The root was replaced.", "shareDelivery",
        delivery(lambda c: c[0].update(root=flip(c[0]["root"]))), "bad share signature")
    bad("share_own_changed", "The recipient's own root was replaced.", "shareDelivery",
        delivery(lambda c: c[2].update(root=flip(c[2]["root"]))), "own shares changed")
    bad("survivors_self_missing", "The recipient is declared dropped.", "survivorSet", [1, 4, 300], "self not a survivor")
    bad("survivors_too_few", "Below n_min.", "survivorSet", [1, 6], "too few survivors")
    bad("survivors_stranger", "Somebody who shared no keys.", "survivorSet", [1, 4, 6, 7], "survivor not a contributor")
    bad("survivors_order", "Not ascending.", "survivorSet", [1, 300, 6], "not ascending")
    bad("signatures_forged", "A signature on another set.", "consistencySignatures",
        signatures(lambda c: c[0].update(signature=flip(c[0]["signature"]))), "bad consistency signature")
    bad("signatures_too_few", "Two of three.", "consistencySignatures",
        signatures(lambda c: c.pop(0)), "too few signatures")
    bad("signatures_own_missing", "The recipient's own is left out.", "consistencySignatures",
        signatures(lambda c: c.pop(1)), "own signature missing")


def bad_drawn_attempts(base, good):
    """The same for a drawn graph; the recipient is participant 4."""
    recipient = 4

    def bad(name, comment, event, message, refusal, contributors=None):
        write("bad_attempt_drawn_" + name, {
            "comment": comment, "attempt": base, "recipient": recipient, "event": event,
            **({"contributors": contributors} if contributors else {}), "message": message, "refusal": refusal})

    given = next(d for d in good["shareDeliveries"] if d["holder"] == recipient)
    own = [e["holder"] for e in next(d for d in good["keyShares"] if d["dealer"] == recipient)["entries"]]

    def delivery(**change):
        copy = [dict(e) for e in given["entries"]]
        copy[0].update(change)
        return copy

    everybody = given["contributors"]
    bad("mask_flag", "The server says otherwise than the dealer whether they share a mask.", "shareDelivery",
        delivery(sharesMask=not given["entries"][0]["sharesMask"]), "share not under root", everybody)
    bad("leaf_count", "A leaf more than the dealer signed.", "shareDelivery",
        delivery(leafCount=given["entries"][0]["leafCount"] + 1), "bad share signature", everybody)
    bad("contributor_unknown", "Somebody who did not advertise.", "shareDelivery", delivery(), "unknown dealer",
        everybody + [78])
    bad("contributor_self", "The recipient is not among the contributors.", "shareDelivery", delivery(), "own shares changed",
        [p for p in everybody if p != recipient])
    few = [p for p in everybody if p == recipient or p not in own[:3]]
    bad("contributors_few_holders", "Two of the recipient's holders are left.", "shareDelivery",
        [e for e in delivery() if e["dealer"] in few], "too few holders", few)
    strangers = [s for s in good["signatures"] if s["participant"] not in own]
    bad("signer_not_holder", "A signature of somebody who holds no share of the recipient's.", "consistencySignatures",
        strangers, "signer not a holder")
    bad("signatures_too_few", "Two holders and the recipient itself.", "consistencySignatures",
        [s for s in good["signatures"] if s["participant"] == recipient or s["participant"] in
         [h for h in own if h in good["survivors"]][:2]], "too few signatures")


def main():
    os.makedirs(FOLDER, exist_ok=True)
    for make in (key_derivation, commitments, shamir, masks, packing, transcripts):
        make()


if __name__ == "__main__":
    main()
