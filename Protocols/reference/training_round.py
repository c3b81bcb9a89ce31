#!/usr/bin/env python3
"""Training rounds of Protocols/training-round.md, written a second time and independently: makes their vectors.

    python3 Protocols/reference/training_round.py            writes Protocols/vectors/training-round/*.json

Needs Python 3.9 and the package `cryptography`. Slow and plain on purpose; it shares no line with the Swift code.
"""
import copy
import hashlib
import json
import math
import os
import struct
from fractions import Fraction

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors", "training-round")
SEED = bytes(range(32))
KEY = Ed25519PrivateKey.from_private_bytes(SEED)


def public(key):
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def key_of(number):
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"partner %d" % number).digest())


def sha256(data):
    return hashlib.sha256(data).digest()


# ---------------------------------------------------------------- model bytes (training-round.md, section 3)

MAGIC = b"TACITMODEL2\n"


def text(value):
    data = value.encode("ascii")
    return struct.pack("<H", len(data)) + data


def is_half(bits):
    value = struct.unpack("<f", struct.pack("<I", bits))[0]
    if value != value:
        return False
    try:
        half = struct.pack("<e", value)
    except OverflowError:
        return False
    return struct.unpack("<I", struct.pack("<f", struct.unpack("<e", half)[0]))[0] == bits


def float_of(bits):
    return struct.unpack("<f", struct.pack("<I", bits))[0]


def single(value):
    """A double rounded to binary32."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


def levels(row):
    """Scale and levels of a row of bit patterns; None when they lose a bit."""
    values = [float_of(bits) for bits in row]
    if not all(map(math.isfinite, values)):
        return None
    (quotient,) = struct.unpack("<I", struct.pack("<f", max(abs(value) for value in values) / 127))
    scale = float_of((quotient + 0xFF) & ~0xFF)
    found = [max(-127, min(127, round(single(value / scale)))) if scale > 0 else 0 for value in values]
    try:
        if any(struct.unpack("<I", struct.pack("<f", scale * level))[0] != bits for level, bits in zip(found, row)):
            return None
    except OverflowError:
        return None
    return scale, found


def values_bytes(shape, bits):
    if len(shape) >= 2 and bits and all(map(is_half, bits)):
        return b"\x02" + b"".join(struct.pack("<e", float_of(value)) for value in bits)
    width = len(bits) // shape[0] if len(shape) >= 2 and bits else 0
    if width >= 2:
        rows = [levels(bits[start:start + width]) for start in range(0, len(bits), width)]
        if all(rows):
            return (b"\x01" + b"".join(struct.pack("<f", scale) for scale, _ in rows)
                    + b"".join(struct.pack("<b", level) for _, found in rows for level in found))
    return b"\x04" + b"".join(struct.pack("<I", value) for value in bits)


def model_bytes(algorithm, version, tensors):
    """tensors: name -> (shape, list of 32-bit patterns)."""
    out = MAGIC + text(algorithm) + struct.pack("<IH", version, len(tensors))
    for name in sorted(tensors, key=lambda name: name.encode("ascii")):
        shape, bits = tensors[name]
        assert math.prod(shape) == len(bits)
        out += text(name) + struct.pack("<B", len(shape)) + b"".join(struct.pack("<Q", extent) for extent in shape)
        out += values_bytes(shape, bits)
    return out


def float_bits(*values):
    return [struct.unpack("<I", struct.pack("<f", value))[0] for value in values]


def model_vectors():
    models = {
        "initial": ("covariance", 0, {}),
        "factors": ("mf", 3, {"items": ([2, 3], float_bits(0.0, -0.0, 1.5, -7.25, 1e-40, 3.4e38)),
                              "popularity": ([2], float_bits(0.25, 1.0))}),
        "scalar_and_empty": ("als", 4294967295, {"a": ([], float_bits(4.0)), "B": ([0, 5], []), "b": ([1, 1, 1], float_bits(2.0))}),
        "half": ("mf", 2, {"items": ([2, 3], float_bits(0.0, -0.0, 1.5, -65504.0, 2.0 ** -24, 0.333251953125))}),
        "half_infinite": ("mf", 2, {"items": ([1, 2], [0x7F800000, 0xFF800000])}),
        "not_half": ("mf", 2, {"items": ([1, 3], float_bits(65536.0, 1.0, 2.0)), "more": ([1, 1], float_bits(2.0 ** -25)),
                               "vector": ([2], float_bits(1.0, 2.0)), "void": ([3, 0], [])}),
        "levels": ("mf", 2, {"items": ([3, 4], float_bits(*[single(0.0123291015625 * level) for level in (127, -3, 0, 64)],
                                                          0.0, 0.0, 0.0, 0.0, *[single(3.0001220703125 * level) for level in (-127, 1, 2, -64)]))}),
        "levels_at_the_ends": ("mf", 2, {"largest": ([1, 2], [0x7F7FFFFF, 0x3F800001]), "subnormal": ([1, 2], [127 * 256, 256]),
                                         "too_small": ([1, 2], [126, 1]), "infinite": ([1, 2], [0x7F800000, 0x3F800001])}),
        "not_levels": ("mf", 2, {"items": ([1, 3], float_bits(0.1, 0.2, 0.30000001)), "column": ([2, 1], float_bits(1.0000001, 0.1)),
                                 "zero": ([1, 2], float_bits(-0.0, 127.0 * 1.0001220703125))}),
        "half_not_a_number": ("x", 1, {"t": ([1, 2], [0x3F800000, 0x7FC00000])}),
        "not_a_number": ("x", 1, {"t": ([2], [0x7FC00000, 0xFF800000])}),
    }
    for name, (algorithm, version, tensors) in models.items():
        data = model_bytes(algorithm, version, tensors)
        yield "good_model_" + name, {
            "kind": "model", "bytes": data.hex(), "hash": sha256(data).hex(), "algorithm": algorithm, "version": version,
            "tensors": {key: {"shape": shape, "bits": bits} for key, (shape, bits) in tensors.items()}}
    good = model_bytes("m", 0, {"t": ([2], float_bits(1.0, 2.0))})

    def head(count, name=b"t", rank=0, extents=()):
        return (MAGIC + text("m") + struct.pack("<IH", 0, count) + struct.pack("<H", len(name)) + name
                + struct.pack("<B", rank) + b"".join(struct.pack("<Q", extent) for extent in extents))

    one = b"\x04\0\0\x80\x3f"
    bad = {
        "empty": b"", "magic": b"TACITMODEL1\n" + good[12:], "cut": good[:-1], "trailing": good + b"\0",
        "huge_extent": head(1, rank=1, extents=[1 << 31]), "largest_extent": head(1, rank=1, extents=[(1 << 64) - 1]),
        "huge_product": head(1, rank=4, extents=[1 << 30] * 4), "overflow_before_zero": head(1, rank=4, extents=[1 << 30] * 3 + [0]),
        "missing_tensor": head(2) + one, "space_in_name": head(1, name=b"a b") + one,
        "empty_name": head(1, name=b"") + one, "not_ascii": head(1, name=b"\xc3\xa9") + one,
        "names_descend": head(2, name=b"b") + one + text("a") + b"\0" + one,
        "name_twice": head(2, name=b"a") + one + text("a") + b"\0" + one,
        "width_0": head(1) + b"\0", "width_3": head(1) + b"\x03\0\0\0", "half_scalar": head(1) + b"\x02\0\x3c",
        "levels_of_half": head(1, rank=2, extents=[1, 2]) + b"\x01" + struct.pack("<f", 1.0) + b"\x7f\x01",
        "levels_low": head(1, rank=2, extents=[1, 2]) + b"\x01" + struct.pack("<f", 1.0001220703125) + b"\x7e\x01",
        "levels_of_minus_128": head(1, rank=2, extents=[1, 2]) + b"\x01" + struct.pack("<f", 1.0001220703125) + b"\x80\x7f",
        "levels_not_a_number": head(1, rank=2, extents=[1, 2]) + b"\x01" + struct.pack("<I", 0x7FC00000) + b"\x7f\x01",
        "levels_vector": head(1, rank=1, extents=[2]) + b"\x01" + struct.pack("<ff", 1.0001220703125, 1.0) + b"\x7f\x01",
        "levels_cut": head(1, rank=2, extents=[1, 2]) + b"\x01" + struct.pack("<f", 1.0001220703125) + b"\x7f",
        "levels_empty": head(1, rank=2, extents=[1 << 30, 0]) + b"\x01",
        "levels_as_whole": head(1, rank=2, extents=[1, 2]) + b"\x04" + struct.pack("<ff", single(127 * 1.0001220703125), 1.0001220703125),
        "half_as_whole": head(1, rank=2, extents=[1, 1]) + one, "half_not_a_number": head(1, rank=2, extents=[1, 1]) + b"\x02\0\x7e",
    }
    for name, data in bad.items():
        yield "bad_model_" + name, {"kind": "model", "bytes": data.hex()}


# ---------------------------------------------------------------- round start (section 4)

def signed_bytes(start):
    return (b"tacit/v1/round-start\n" + bytes.fromhex(start["plan_hash"]) + sha256(bytes.fromhex(start["model"]))
            + bytes.fromhex(start["session"]) + struct.pack("<IIQ", start["round"], start["attempt"], start["ledger_size"])
            + bytes.fromhex(start["ledger_head"]))


def start_vectors():
    base = {"kind": "round-start", "plan_hash": sha256(b"plan").hex(), "model": model_bytes("mf", 0, {}).hex(),
            "session": bytes(range(16)).hex(), "round": 0, "attempt": 0, "ledger_size": 1, "ledger_head": sha256(b"head").hex(),
            "key": public(KEY).hex()}
    for name, change in {"first": {}, "retry": {"attempt": 2}, "later": {"round": 258, "attempt": 1, "ledger_size": (1 << 40) + 7},
                         "largest": {"round": (1 << 32) - 1, "attempt": (1 << 32) - 1, "ledger_size": (1 << 64) - 1}}.items():
        start = {**base, **change}
        message = signed_bytes(start)
        yield "good_start_" + name, {**start, "signed_bytes": message.hex(), "binding": sha256(message).hex(),
                                     "signature": KEY.sign(message).hex()}
    signature = KEY.sign(signed_bytes(base)).hex()
    for name, change in {"other_round": {"round": 1}, "other_attempt": {"attempt": 1}, "other_ledger_size": {"ledger_size": 2},
                         "other_ledger_head": {"ledger_head": sha256(b"fork").hex()}, "other_plan": {"plan_hash": sha256(b"q").hex()},
                         "other_session": {"session": bytes(16).hex()}, "other_model": {"model": model_bytes("mf", 1, {}).hex()},
                         "other_key": {"key": public(key_of(1)).hex()}}.items():
        yield "bad_start_" + name, {**base, **change, "signature": signature}
    raw = KEY.sign(sha256(signed_bytes(base))).hex()
    yield "bad_start_signed_hash", {**base, "signature": raw}


# ---------------------------------------------------------------- signed releases (section 6.1)

RELEASE_LABEL = b"tacit/v1/model-release\n"


def release_bytes(release):
    """What the coordinator signs about one release: 155 bytes."""
    return (RELEASE_LABEL + bytes.fromhex(release["plan_hash"]) + bytes.fromhex(release["model_hash"])
            + bytes.fromhex(release["session"]) + struct.pack("<III", release["version"], release["round"], release["attempt"])
            + struct.pack("<Q", release["ledger_size"]) + bytes.fromhex(release["ledger_head"]))


def release_vectors():
    base = {"kind": "model-release", "plan_hash": sha256(b"plan").hex(), "model_hash": sha256(model_bytes("mf", 1, {})).hex(),
            "session": bytes(range(16)).hex(), "version": 1, "round": 0, "attempt": 0, "ledger_size": 3,
            "ledger_head": sha256(b"head").hex(), "key": public(KEY).hex()}
    for name, change in {"first": {}, "evaluation": {"round": 258, "attempt": 2, "version": 257, "ledger_size": (1 << 40) + 7},
                         "largest": {"round": (1 << 32) - 1, "attempt": (1 << 32) - 1, "version": (1 << 32) - 1,
                                     "ledger_size": (1 << 64) - 1}}.items():
        release = {**base, **change}
        message = release_bytes(release)
        signature = KEY.sign(message)
        yield "good_release_" + name, {**release, "signature": signature.hex(), "bytes": (message + signature).hex()}
    message = release_bytes(base)
    signature = KEY.sign(message)
    for name, change in {"other_session": {"session": bytes(16).hex()}, "other_version": {"version": 2}, "other_round": {"round": 1},
                         "other_attempt": {"attempt": 1}, "other_plan": {"plan_hash": sha256(b"q").hex()},
                         "other_model": {"model_hash": sha256(b"m").hex()}, "other_ledger_size": {"ledger_size": 2},
                         "other_ledger_head": {"ledger_head": sha256(b"fork").hex()}}.items():
        release = {**base, **change}
        yield "bad_release_" + name, {"kind": "model-release", "key": base["key"], "is_readable": True,
                                      "bytes": (release_bytes(release) + signature).hex()}
    start = b"tacit/v1/round-start\n" + message[len(RELEASE_LABEL):]
    for name, data, key, is_readable in [
            ("other_key", message + signature, key_of(1), True),
            ("signed_hash", message + KEY.sign(sha256(message)), KEY, True),
            ("no_signature", message, KEY, False), ("cut", (message + signature)[:-1], KEY, False),
            ("trailing", message + signature + b"\0", KEY, False), ("empty", b"", KEY, False),
            ("other_label", start + KEY.sign(start), KEY, False)]:
        yield "bad_release_" + name, {"kind": "model-release", "key": public(key).hex(), "is_readable": is_readable, "bytes": data.hex()}


# ---------------------------------------------------------------- evaluation releases as documents (section 8.1)

EVALUATION_LABEL = b"tacit/v1/evaluation-release\n"
LINK_LABEL = b"tacit/ledger/link/v1\0"


def outcome_payload(release, entries, survivors):
    """The record of the ledger that holds the hash of the released integers; all texts in it are plain ASCII."""
    value = {"kind": "outcome", "record": release["ledger_size"], "session": release["session"], "round": release["round"],
             "attempt": release["attempt"], "release": release["round"], "result": "released", "reason": None, "survivors": survivors,
             "published": sha256(b"".join(struct.pack("<q", entry) for entry in entries)).hex(), "time": 1_800_000_000}
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def evaluation_bytes(statement, previous, outcome, entries):
    data = b"".join(struct.pack("<q", entry) for entry in entries)
    return EVALUATION_LABEL + statement + previous + struct.pack("<Q", len(outcome)) + outcome + struct.pack("<Q", len(data)) + data


def evaluation_vectors():
    base = {"plan_hash": sha256(b"plan").hex(), "model_hash": sha256(model_bytes("mf", 1, {})).hex(), "session": bytes(range(16)).hex(),
            "version": 1, "round": 1, "attempt": 0, "ledger_size": 5}
    previous = sha256(b"record 4")
    nine = [118_031, 9_120, 4_410, -12, 3, 1, 260_004, 31_222, -16_038]
    for name, change, entries in [("first", {}, nine), ("retry", {"attempt": 2, "ledger_size": 9, "round": 12, "version": 12}, nine[::-1]),
                                  ("ends_of_a_ring", {}, [-(1 << 61), (1 << 61) - 1, 0, -1, 1, -2, 2, -3, 3])]:
        release = {**base, **change}
        outcome = outcome_payload(release, entries, 5)
        release["ledger_head"] = sha256(LINK_LABEL + previous + outcome).hex()
        message = release_bytes(release)
        statement = message + KEY.sign(message)
        data = evaluation_bytes(statement, previous, outcome, entries)
        yield "good_evaluation_" + name, {"kind": "evaluation-release", **release, "key": public(KEY).hex(), "statement": statement.hex(),
                                          "previous_head": previous.hex(), "outcome": outcome.decode(), "entries": entries,
                                          "bytes": data.hex()}
    start = len(EVALUATION_LABEL) + 219 + 32
    for name, wrong in {
            "empty": b"", "cut": data[:-1], "trailing": data + b"\0", "other_label": b"tacit/v1/evaluation-releasE\n" + data[28:],
            "only_label": EVALUATION_LABEL, "other_release_label": data[:28] + b"T" + data[29:],
            "huge_outcome": data[:start] + struct.pack("<Q", (1 << 64) - 1) + data[start + 8:],
            "longer_outcome": data[:start] + struct.pack("<Q", len(outcome) + 1) + data[start + 8:],
            "huge_integers": data[:-80] + struct.pack("<Q", 1 << 63) + data[-72:],
            "fewer_integers_than_said": data[:-8], "more_integers_than_said": data + bytes(8),
            "integers_of_seven_bytes": data[:-80] + struct.pack("<Q", 63) + data[-63:]}.items():
        yield "bad_evaluation_" + name, {"kind": "evaluation-release", "bytes": wrong.hex()}


# ---------------------------------------------------------------- plans (section 2) and encoding (section 5)

def delta_squared(k, clip, scale):
    """floor(min{(c + sqrt k)^2, c^2 + k/4 + c + sqrt(k)/2}), c = clip * scale; beta = e^(-1/2)."""
    c, root = clip * scale, math.sqrt(k)
    return math.floor(min((c + root) * (c + root), c * c + k / 4 + (c + root / 2)))


def wrap_log2(bits, users, delta2, variance, dimension, count):
    room = 2.0 ** (bits - 1) - 1 - users * (math.isqrt(delta2 - 1) + 1)
    if room <= 0:
        return 0.0
    return min(0.0, 1 - room * room / (2 * variance) / math.log(2) + math.log2(dimension) + math.log2(count))


def log_tail(x):
    return math.log(0.5 * math.erfc(x / math.sqrt(2))) if x < 25 else -x * x / 2 - math.log(x * math.sqrt(2 * math.pi))


def least_multiplier(epsilon, delta):
    """z of one Gaussian release at (epsilon, delta): Balle and Wang 2018, theorem 8."""
    low, high = 0.01, 1e6
    for _ in range(200):
        z = math.sqrt(low * high)
        mu = 1 / z
        value = math.exp(log_tail(epsilon * z - mu / 2)) - math.exp(epsilon + log_tail(epsilon * z + mu / 2))
        low, high = (z, high) if value > delta else (low, z)
    return high


def plan(noise, partners=5, dimension=6, releases=2, epsilon=1.0, delta=1e-6, users=1000, attempts=3, m=1):
    threshold = min(partners, 2 * partners // 3 + 1)
    minimum = max(threshold, min(3, partners))
    document = {
        "formatVersion": 1, "task": "vector", "session": bytes(range(16)).hex(),
        "algorithm": {"name": "popularity", "parameters": {}}, "modelSeed": (1 << 64) - 1,
        "catalogue": {"hash": sha256(b"catalogue").hex(), "itemCount": dimension},
        "roster": [{"participant": n, "name": "partner %d" % n, "verificationKey": public(key_of(n)).hex(), "maximumUsers": users}
                   for n in range(1, partners + 1)],
        "coordinatorKey": public(KEY).hex(),
        "aggregation": {"isSecure": True, "threshold": threshold, "minimumSurvivors": minimum, "colluders": 1, "suite": 1,
                        "maximumAttempts": attempts},
        "privacy": {"noise": noise, "adjacency": "add-remove", "nominalUsers": partners * users // 2, "maximumPartnersPerUser": m,
                    "epsilon": epsilon, "delta": delta, "usesInsecureTestRandomness": False},
        "releases": []}
    for index in range(releases):
        release = {"name": "release %d" % index, "purpose": "training", "step": index, "dimension": dimension, "samplingRate": 1}
        if noise == "none":
            # Entries up to users in grid units of 1/1024; partners may each add one half by rounding.
            reach = partners * users * 1024 + partners
            release.update({"entryBound": 1, "scale": 1024, "budgetShare": 0, "modulusBits": reach.bit_length() + 1})
        else:
            scale = 1024.0
            delta2 = delta_squared(dimension, 1.0, scale)
            z = Fraction(least_multiplier(epsilon, delta)) * (1 + Fraction(1, 1 << 20))
            total = math.ceil(z * z * releases * delta2 * m * m) + 4
            spec = {"deltaSquared": delta2, "dimension": dimension, "sigmaSquared": total}
            variance = total
            if noise == "distributed":
                honest = minimum - 1
                share = max(8, -(-total // honest))
                spec["sigmaSquared"] = share * honest
                spec["share"] = {"variance": share, "minimumContributors": minimum, "colluders": 1}
                variance = share * partners
            bits = 2
            while wrap_log2(bits, partners * users, delta2, variance, dimension, attempts * releases) >= -40:
                bits += 1
            release.update({"scale": scale, "budgetShare": 1 / releases, "modulusBits": bits, "noise": spec,
                            "encoding": {"dimension": dimension, "maximumNonZeros": dimension, "clipNorm": 1, "scale": scale,
                                         "deltaSquared": delta2}})
        document["releases"].append(release)
    return document


def plan_vector(document):
    data = json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"
    message = b"tacit/v1/plan\n" + sha256(data)
    return {"kind": "plan", "plan": data.decode(), "hash": sha256(data).hex(), "signed_bytes": message.hex(), "key": public(KEY).hex(),
            "signature": KEY.sign(message).hex()}


def plan_vectors():
    for name, document in {
            "central": plan("central"), "distributed": plan("distributed"), "exact": plan("none"),
            "two_partners_central": plan("central", partners=2), "users_at_two": plan("central", m=2),
            "many": plan("distributed", partners=20, dimension=1000, releases=7, epsilon=8.0)}.items():
        yield "good_plan_" + name, plan_vector(document)

    def edited(base, *path_and_value):
        document = copy.deepcopy(base)
        *path, last, value = path_and_value
        target = document
        for step in path:
            target = target[step]
        if value is None:
            del target[last]
        else:
            target[last] = value
        return document

    central, distributed, exact = plan("central"), plan("distributed"), plan("none")
    less = distributed["releases"][0]["noise"]["share"]["variance"] // 2
    smaller = edited(edited(distributed, "releases", 0, "noise", "share", "variance", less), "releases", 0, "noise", "sigmaSquared", less * 3)
    for name, document in {
            "unknown_version": edited(central, "formatVersion", 2), "no_session": edited(central, "session", None),
            "less_noise": edited(central, "releases", 0, "noise", "sigmaSquared", central["releases"][0]["noise"]["sigmaSquared"] // 2),
            "smaller_share": smaller, "claims_more_than_shares": edited(distributed, "releases", 0, "noise", "sigmaSquared", 1 << 40),
            "wrong_delta_squared": edited(central, "releases", 0, "encoding", "deltaSquared", 7),
            "noise_for_another_delta_squared": edited(central, "releases", 0, "noise", "deltaSquared", 4096),
            "smaller_budget": edited(central, "privacy", "epsilon", 0.9), "smaller_delta": edited(central, "privacy", "delta", 1e-9),
            "replace_one": edited(central, "privacy", "adjacency", "replace-one"),
            "users_at_two": edited(central, "privacy", "maximumPartnersPerUser", 2),
            "narrow_ring": edited(central, "releases", 0, "modulusBits", central["releases"][0]["modulusBits"] - 1),
            "narrow_ring_exact": edited(exact, "releases", 0, "modulusBits", exact["releases"][0]["modulusBits"] - 1),
            "low_threshold": edited(central, "aggregation", "threshold", 2), "huge_threshold": edited(central, "aggregation", "threshold", (1 << 63) - 1),
            "few_survivors": edited(central, "aggregation", "minimumSurvivors", 3), "no_colluders": edited(distributed, "aggregation", "colluders", 0),
            "many_colluders": edited(distributed, "aggregation", "colluders", 3),
            "distributed_without_masks": edited(distributed, "aggregation", "isSecure", False),
            "central_noise_in_distributed_plan": edited(central, "privacy", "noise", "distributed"),
            "noise_missing": edited(central, "releases", 0, "noise", None), "claims_no_noise": edited(central, "privacy", "noise", "none"),
            "roster_descends": edited(central, "roster", 0, "participant", 9), "key_twice": edited(central, "roster", 0, "verificationKey", public(key_of(2)).hex()),
            "one_partner": plan("central", partners=1), "two_partners_exact": plan("none", partners=2)}.items():
        yield "bad_plan_" + name, plan_vector(document)


def table_vectors():
    rows = [[k, clip, scale, delta_squared(k, clip, scale)] for k in (1, 3, 12, 1000, 100000, 1 << 24)
            for clip, scale in ((1.0, 1.0), (1.0, 64.0), (3.0 ** 0.5, 256.0), (0.5, 4096.0), (1.0, 1048576.0))]
    yield "delta_squared", {"kind": "delta-squared", "columns": ["maximumNonZeros", "clipNorm", "scale", "deltaSquared"], "rows": rows}
    cases = []
    for bits, scale in ((12, 64.0), (20, 1024.0), (32, 0.5), (40, 4096.0), (62, 1.0)):
        sums = [0, 1, -1, 1 << (bits - 2), -(1 << (bits - 2)), (1 << (bits - 1)) - 1, -(1 << (bits - 1)), 12345, -999]
        noise = [3, -5, 700, -701, 1 << (bits - 3), 5, -5, -(1 << (bits - 1)), 1 << (bits - 1)]
        released = [((s + n + (1 << (bits - 1))) % (1 << bits)) - (1 << (bits - 1)) for s, n in zip(sums, noise)]
        cases.append({
            "bits": bits, "scale": scale, "residues": [s % (1 << bits) for s in sums], "noise": noise, "released": released,
            "decoded_bits": float_bits(*[value * (1 / scale) for value in released]),
            "digest": sha256(b"".join(struct.pack("<q", value) for value in released)).hex()})
    yield "released_sums", {"kind": "released-sums", "cases": cases}


def main():
    os.makedirs(FOLDER, exist_ok=True)
    for name in os.listdir(FOLDER):
        os.remove(os.path.join(FOLDER, name))
    count = 0
    for make in (model_vectors, start_vectors, release_vectors, evaluation_vectors, plan_vectors, table_vectors):
        for name, vector in make():
            with open(os.path.join(FOLDER, name + ".json"), "w") as file:
                json.dump({"source": "Protocols/reference/training_round.py", **vector}, file, indent=1, sort_keys=True)
                file.write("\n")
            count += 1
    print(count, "vectors written")


if __name__ == "__main__":
    main()
