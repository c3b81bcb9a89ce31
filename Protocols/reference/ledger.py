#!/usr/bin/env python3
"""The privacy ledger of Protocols/ledger.md, written a second time and independently: makes and checks its vectors.

    python3 Protocols/reference/ledger.py vectors            writes Protocols/vectors/ledger/*.json
    python3 Protocols/reference/ledger.py verify FILE [KEY]  says what it finds in a ledger (KEY: 64 hexadecimal digits)
    python3 Protocols/reference/ledger.py example            prints the worked example of Protocols/ledger.md

Needs Python 3.9 and the package `cryptography`. Slow and plain on purpose; it shares no line with the Swift code.
"""
import hashlib
import json
import math
import os
import sys
from decimal import Decimal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

LINK = b"tacit/ledger/link/v1\0"
HEAD = b"tacit/ledger/head/v2\0"
ORIGIN = bytes(32)
ACCOUNTANT = "analytic-gaussian 1"


# ---------------------------------------------------------------- canonical JSON (Protocols/ledger.md §2)

def number_text(value):
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value == int(value) and abs(value) < 2**63:
        return str(int(value))
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text = "".join(map(str, digits))
    point = len(text) + exponent
    if len(text) <= point <= 21:
        body = text + "0" * (point - len(text))
    elif 0 < point <= 21:
        body = text[:point] + "." + text[point:]
    elif -6 < point <= 0:
        body = "0." + "0" * -point + text
    else:
        body = text[0] + ("." + text[1:] if len(text) > 1 else "") + "e" + ("+" if point > 0 else "-") + str(abs(point - 1))
    return ("-" if sign else "") + body


def canonical(value):
    """The one byte form of a JSON value."""
    if value is None:
        return b"null"
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, (int, float)):
        return number_text(value).encode()
    if isinstance(value, str):
        out = bytearray(b'"')
        short = {0x08: b"\\b", 0x09: b"\\t", 0x0A: b"\\n", 0x0C: b"\\f", 0x0D: b"\\r", 0x22: b'\\"', 0x5C: b"\\\\"}
        for byte in value.encode():
            out += short.get(byte) or (b"\\u%04x" % byte if byte < 0x20 else bytes([byte]))
        return bytes(out + b'"')
    if isinstance(value, list):
        return b"[" + b",".join(map(canonical, value)) + b"]"
    return b"{" + b",".join(canonical(key) + b":" + canonical(value[key]) for key in sorted(value)) + b"}"


def read_canonical(payload):
    """Parses a payload, or raises ValueError when it is not in its one byte form."""
    value = json.loads(payload.decode("utf-8"))
    if canonical(value) != payload:
        raise ValueError("not canonical")
    return value


# ---------------------------------------------------------------- epsilon of full participation (ledger.md §5)

def log_tail(x):
    """log of the standard normal tail P(Z > x)."""
    if x < 25:
        return math.log(0.5 * math.erfc(x / math.sqrt(2)))
    # Mills ratio by its continued fraction, from the inside out.
    fraction = x
    for k in range(200, 0, -1):
        fraction = x + k / fraction
    return -0.5 * x * x - 0.5 * math.log(2 * math.pi) - math.log(fraction)


def log_delta(epsilon, mu):
    """log of delta at epsilon of a Gaussian of distance/deviation mu (Balle and Wang 2018, theorem 8)."""
    first = log_tail(epsilon / mu - mu / 2)
    second = epsilon + log_tail(epsilon / mu + mu / 2)
    if second >= first:
        return -math.inf
    return first + math.log1p(-math.exp(second - first))


def inverse_square_multiplier(event):
    """Sum of 1/z^2 of an event in which everyone takes part."""
    if event["type"] == "gaussian":
        distance = math.sqrt(event["delta_squared"]) * event["partners_per_user"]
        if event["adjacency"] == "replace-one":
            distance *= 2
        return distance**2 / (event["sigma_squared"] - 4)
    if event["type"] == "repeated":
        return event["count"] * inverse_square_multiplier(event["event"])
    if event["type"] == "composed":
        return sum(map(inverse_square_multiplier, event["events"]))
    raise ValueError("this reference accounts for full participation only, found " + event["type"])


def adjacencies(event):
    """The adjacencies that occur in an event; events of two kinds do not compose."""
    if "adjacency" in event:
        return {event["adjacency"]}
    return set().union(*map(adjacencies, event.get("events", []) + ([event["event"]] if "event" in event else [])))


def composes(events):
    return len(set().union(*map(adjacencies, events))) <= 1


def epsilon_of(events, delta):
    if not events:
        return 0.0
    if any(event["type"] == "unprotected" for event in events) or not composes(events):
        return math.inf
    mu = math.sqrt(sum(map(inverse_square_multiplier, events)))
    if log_delta(0, mu) <= math.log(delta):
        return 0.0
    low, high = 0.0, 1.0
    while log_delta(high, mu) > math.log(delta):
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if log_delta(middle, mu) > math.log(delta):
            low = middle
        else:
            high = middle
    return high


# ---------------------------------------------------------------- lines (ledger.md §4)

def public_bytes(key):
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def link(previous, payload):
    return hashlib.sha256(LINK + previous + payload).digest()


def head_message(ledger, size, digest, root):
    return HEAD + ledger + size.to_bytes(8, "big") + digest + root


def left_width(count):
    """The largest power of two below count."""
    width = 1
    while 2 * width < count:
        width *= 2
    return width


def tree_root(entries):
    """RFC 9162 2.1.1"""
    if len(entries) < 2:
        return hashlib.sha256(b"\0" + entries[0] if entries else b"").digest()
    k = left_width(len(entries))
    return hashlib.sha256(b"\1" + tree_root(entries[:k]) + tree_root(entries[k:])).digest()


def inclusion_path(index, entries):
    """RFC 9162 2.1.3.1"""
    if len(entries) == 1:
        return []
    k = left_width(len(entries))
    if index < k:
        return inclusion_path(index, entries[:k]) + [tree_root(entries[k:])]
    return inclusion_path(index - k, entries[k:]) + [tree_root(entries[:k])]


def consistency_path(old, entries, known=True):
    """RFC 9162 2.1.4.1"""
    if old == len(entries):
        return [] if known else [tree_root(entries)]
    k = left_width(len(entries))
    if old <= k:
        return consistency_path(old, entries[:k], known) + [tree_root(entries[k:])]
    return consistency_path(old - k, entries[k:], False) + [tree_root(entries[:k])]


def path_holds(entry, index, size, root, path):
    """RFC 9162 2.1.3.2"""
    if not 0 <= index < size:
        return False
    place, last, value = index, size - 1, hashlib.sha256(b"\0" + entry).digest()
    for other in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            value = hashlib.sha256(b"\1" + other + value).digest()
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            value = hashlib.sha256(b"\1" + value + other).digest()
        place, last = place >> 1, last >> 1
    return last == 0 and value == root


def growth_holds(old, old_root, new, new_root, path):
    """RFC 9162 2.1.4.2"""
    if not 1 <= old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    path = ([old_root] if old & (old - 1) == 0 else []) + path
    if not path:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    before = after = path[0]
    for other in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            before, after = (hashlib.sha256(b"\1" + other + value).digest() for value in (before, after))
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            after = hashlib.sha256(b"\1" + after + other).digest()
        place, last = place >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


def chain(payloads, key, numbers=None, roots={}):
    """The lines of a ledger; `numbers` and `roots` override what is signed (for bad vectors)."""
    lines, previous, ledger, hashes = [], ORIGIN, None, []
    for index, payload in enumerate(payloads):
        digest = link(previous, payload)
        ledger = ledger or digest
        size = numbers[index] if numbers else index + 1
        hashes.append(digest)
        root = roots.get(index + 1, tree_root(hashes))
        signature = key.sign(head_message(ledger, size, digest, root))
        lines.append(b"\t".join([payload] + [part.hex().encode() for part in (digest, root, signature)]) + b"\n")
        previous = digest
    return lines


# ---------------------------------------------------------------- verification (ledger.md §6)

MEMBERS = {
    "header": {"kind", "record", "version", "ledger", "holder", "dataset", "key", "created"},
    "charge": {"kind", "record", "session", "round", "attempt", "release", "name", "plan", "binding", "event", "sampler",
               "participants", "survivors", "delta", "epsilon_before", "epsilon_after", "accountant", "time"},
    "outcome": {"kind", "record", "session", "round", "attempt", "release", "result", "published", "reason",
                "survivors", "time"},
    "refund": {"kind", "record", "session", "round", "attempt", "release", "statement", "endorsements", "time"},
    "note": {"kind", "record", "text", "time"},
}
EVENTS = {
    "gaussian": {"type", "sigma_squared", "shares", "delta_squared", "dimension", "adjacency", "partners_per_user"},
    "repeated": {"type", "count", "event"},
    "composed": {"type", "events"},
    "unprotected": {"type"},
}
EVENTS["poisson_sampled"] = EVENTS["gaussian"] | {"rate"}


def check_event(event):
    if set(event) != EVENTS.get(event["type"]):
        raise ValueError("event")
    for inner in event.get("events", []) + ([event["event"]] if "event" in event else []):
        check_event(inner)


def read_statement(data):
    """The message of the consistency check -> its fields, or ValueError. Fields follow their lengths (u32le)."""
    fields = []
    while data:
        length = int.from_bytes(data[:4], "little")
        if len(data) < 4 + length:
            raise ValueError("cut short")
        fields.append(data[4:4 + length])
        data = data[4 + length:]
    protocol, version, suite, purpose, session, round, attempt, binding, transcript, count = fields[:10]
    number = lambda field: int.from_bytes(field, "little")
    survivors = [number(field) for field in fields[10:]]
    sizes = [len(field) for field in fields]
    if (protocol, purpose) != (b"tacit-secagg", b"survivor set") or sizes[1:3] + sizes[4:10] != [2, 1, 16, 4, 4, 32, 32, 4]:
        raise ValueError("no survivor statement")
    if set(sizes[10:]) - {4} or number(count) != len(survivors) or survivors != sorted(set(survivors)):
        raise ValueError("no ascending list of survivors")
    return {"place": (session.hex(), number(round), number(attempt)), "binding": binding.hex(), "survivors": survivors}


def is_proven(refund, charge, holder, rules):
    """ledger.md §3.4; rules: {"plan", "threshold", "roster": {participant as text: key}}"""
    if not rules or charge["plan"] != rules["plan"] or holder not in rules["roster"].values():
        return False
    statement = bytes.fromhex(refund["statement"])
    try:
        said = read_statement(statement)
        survivors = {rules["roster"][str(participant)] for participant in said["survivors"]}
    except (ValueError, KeyError):
        return False
    place = (refund["session"], refund["round"], refund["attempt"])
    if said["place"] != place or said["binding"] != charge["binding"] or holder in survivors:
        return False
    signers = set()
    for endorsement in refund["endorsements"]:
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(endorsement["key"]))
            key.verify(bytes.fromhex(endorsement["signature"]), statement)
            signers |= {endorsement["key"]} & survivors
        except InvalidSignature:
            pass
    return len(signers) >= rules["threshold"]


def verify(data, expected_key=None, rules=None, plan=None, known_head=None):
    """-> {"sound", "findings": [{"kind", "line"}], "size", "head", "charges", "delta", "epsilon_upper"}"""
    findings, charges, entries, hashes = [], {}, {}, []
    outcomes, refunds, proven, places = set(), set(), set(), {}
    previous, ledger, key, size, delta, kind_of_ledger = ORIGIN, None, None, 0, None, None

    def find(kind, line):
        findings.append({"kind": kind, "line": line})

    def read(line):
        """One line without its line feed -> entry, or the kind of its fault."""
        nonlocal key
        fields = line.split(b"\t")
        if size == 0:
            try:
                entry = read_canonical(fields[0])
                if entry["kind"] == "header" and type(entry["version"]) is int and entry["version"] != 2:
                    return "other-version"
            except (ValueError, KeyError, TypeError):
                pass
        hexadecimal = all(set(field) <= set(b"0123456789abcdef") for field in fields[1:])
        if [len(field) for field in fields[1:]] != [64, 64, 128] or not hexadecimal:
            return "malformed-line"
        payload, (digest, root, signature) = fields[0], (bytes.fromhex(field.decode()) for field in fields[1:])
        linked = link(previous, payload) == digest
        try:
            entry = read_canonical(payload)
            if set(entry) != MEMBERS[entry["kind"]]:
                raise ValueError("members")
            if entry["kind"] == "charge":
                check_event(entry["event"])
            if any(entry.get(name, 0) >= 2**32 for name in ("round", "attempt", "release")):
                raise ValueError("place")
        except (ValueError, KeyError, TypeError):
            return "malformed-payload" if linked else "chain-broken"
        if size == 0:
            if not linked:
                return "chain-broken"
            if entry["kind"] != "header":
                return "header-missing"
            if expected_key and entry["key"] != expected_key.hex():
                return "forged-key"
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(entry["key"]))
        try:
            key.verify(signature, head_message(ledger or digest, entry["record"], digest, root))
            signed = True
        except InvalidSignature:
            signed = False
        if not linked:
            return "record-moved" if signed and entry["record"] != size + 1 else "chain-broken"
        if root != tree_root([bytes.fromhex(earlier) for earlier in hashes] + [digest]):
            return "wrong-root"
        if not signed:
            return "wrong-signature"
        if entry["record"] != size + 1:
            return "out-of-order"
        return entry, digest

    rest = data
    if not data:
        find("empty", None)
    while rest:
        line, feed, after = rest.partition(b"\n")
        result = read(line)
        if isinstance(result, str):
            fields = line.split(b"\t")
            if not feed:
                damaged = len(fields) > 4 or (len(fields) == 4 and len(fields[3]) >= 128)
                result = "malformed-line" if damaged else "torn-last-line"
            find(result, size + 1)
            break
        entry, previous = result
        size += 1
        hashes.append(previous.hex())
        ledger = ledger or previous
        if not feed:
            find("missing-line-feed", size)
        rest = after
        place = tuple(entry.get(name) for name in ("session", "round", "attempt", "release"))
        if entry["kind"] == "header":
            if size > 1:
                find("out-of-order", size)
            else:
                kind_of_ledger, holder = entry["ledger"], entry["key"]
        elif entry["kind"] == "charge":
            if place in charges:
                find("charged-twice", size)
            elif place[0] in places and places[place[0]] >= place[1:]:
                find("out-of-order", size)
            places[place[0]] = place[1:]
            delta = entry["delta"]
            # What the holder counts: everything but what it took back.
            before = [event for earlier, event in charges.items() if earlier not in refunds]
            after = before + [entry["event"]]
            if composes(before) and not composes(after):
                find("not-accountable", size)
            place = place if place not in charges else (size,)
            charges[place], entries[place] = entry["event"], {**entry, "line": size}
            for name, events in (("epsilon_before", before), ("epsilon_after", after)):
                stated = math.inf if entry[name] == "infinite" else entry[name]
                value = epsilon_of(events, delta)
                if stated != value and (math.isinf(value) or not abs(stated - value) <= 1e-6 * max(value, 1e-3)):
                    other = "epsilon-restated" if stated > value else "epsilon-understated"
                    find("epsilon-wrong" if entry["accountant"] == ACCOUNTANT else other, size)
        elif entry["kind"] == "outcome":
            if place not in charges:
                find("not-charged", size)
            elif place in outcomes:
                find("out-of-order", size)
            outcomes.add(place)
        elif entry["kind"] == "refund":
            if place not in charges:
                find("not-charged", size)
            elif place in refunds or kind_of_ledger != "partner":
                find("out-of-order", size)
            else:
                refunds.add(place)
                if is_proven(entry, entries[place], holder, rules):
                    proven.add(place)
                else:
                    find("refund-unproven", size)
    harmless = {"torn-last-line", "missing-line-feed", "refund-unproven", "epsilon-restated"}
    others = [entry["line"] for entry in entries.values() if entry["plan"] != plan]
    if plan and others:
        if kind_of_ledger == "coordinator":
            find("other-plan", others[0])
        elif len(others) == len(entries):
            find("other-plan", None)
    if known_head and size and known_head["size"] > size:
        find("behind-known-head", None)
    elif known_head and size and hashes[known_head["size"] - 1] != known_head["head"]:
        find("forked", known_head["size"])
    # What everybody else should believe: only a proven refund takes a charge away.
    standing = [event for place, event in charges.items() if place not in proven]
    upper = epsilon_of(standing, delta) if charges else (0 if size else None)
    return {
        "sound": size > 0 and all(finding["kind"] in harmless for finding in findings),
        "findings": findings, "size": size, "head": previous.hex() if size else None, "charges": len(charges),
        "delta": delta, "epsilon_upper": "infinite" if upper == math.inf else upper,
    }


# ---------------------------------------------------------------- documents (ledger.md §7)

def head_document(hashes, size, key, root=None):
    """The head of a document: signed, with the path of the last chain hash."""
    root = root or tree_root(hashes[:size])
    return {"ledger": hashes[0].hex(), "size": size, "hash": hashes[size - 1].hex(), "root": root.hex(),
            "signature": key.sign(head_message(hashes[0], size, hashes[size - 1], root)).hex(),
            "place": [part.hex() for part in inclusion_path(size - 1, hashes[:size])]}


def document_holds(document):
    """Whether a head, record or growth document shows what it says."""
    unhex = bytes.fromhex
    key = Ed25519PublicKey.from_public_bytes(unhex(document["key"]))

    def head_holds(head):
        try:
            key.verify(unhex(head["signature"]), head_message(unhex(head["ledger"]), head["size"], unhex(head["hash"]), unhex(head["root"])))
        except InvalidSignature:
            return False
        last = path_holds(unhex(head["hash"]), head["size"] - 1, head["size"], unhex(head["root"]), list(map(unhex, head["place"])))
        return last and (head["size"] > 1 or head["hash"] == head["ledger"])

    path = list(map(unhex, document.get("path", [])))
    if document["kind"] == "tacit-ledger-growth":
        earlier, later = document["earlier"], document["later"]
        return (head_holds(earlier) and head_holds(later) and earlier["ledger"] == later["ledger"]
                and growth_holds(earlier["size"], unhex(earlier["root"]), later["size"], unhex(later["root"]), path))
    head = document["head"]
    if not head_holds(head):
        return False
    if document["kind"] == "tacit-ledger-head":
        return True
    payload = document["payload"].encode()
    try:
        entry = read_canonical(payload)
        if set(entry) != MEMBERS[entry["kind"]] or entry["record"] != document["record"]:
            return False
    except (ValueError, KeyError, TypeError):
        return False
    digest = link(unhex(document["previous"]), payload)
    return path_holds(digest, document["record"] - 1, head["size"], unhex(head["root"]), path)


# ---------------------------------------------------------------- vectors

SEED = hashlib.sha256(b"tacit vectors: ledger holder").digest()
OTHER = hashlib.sha256(b"tacit vectors: somebody else").digest()
PLAN = hashlib.sha256(b"tacit vectors: plan").hexdigest()
BINDING = hashlib.sha256(b"tacit vectors: plan, roster, model, coordinator's head").hexdigest()
S1, S2 = (hashlib.sha256(name).hexdigest()[:32] for name in (b"tacit vectors: session 1", b"tacit vectors: session 2"))
DELTA = 1e-6
KEY = Ed25519PrivateKey.from_private_bytes(SEED)
STRANGER = Ed25519PrivateKey.from_private_bytes(OTHER)


def statement(survivors, round=0, attempt=0, session=S1, binding=BINDING):
    """The bytes that survivors sign in the consistency check (secure-aggregation.md)."""
    u32 = lambda value: value.to_bytes(4, "little")
    fields = [b"tacit-secagg", (1).to_bytes(2, "little"), b"\1", b"survivor set", bytes.fromhex(session), u32(round), u32(attempt),
              bytes.fromhex(binding), hashlib.sha256(b"transcript").digest(), u32(len(survivors)), *map(u32, survivors)]
    return b"".join(u32(len(field)) + field for field in fields)


# Five partners with t = 4; the holder is participant 0.
PARTNERS = [KEY] + [Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"tacit vectors: partner %d" % i).digest())
                    for i in range(1, 5)]
RULES = {"plan": PLAN, "threshold": 4,
         "roster": {str(index): public_bytes(key).hex() for index, key in enumerate(PARTNERS)}}


class Builder:
    """Writes entries one after another, with the right epsilon unless told otherwise."""

    def __init__(self, ledger="partner", key=KEY, holder="bakery", dataset="orders 2026"):
        self.key, self.entries, self.events = key, [], []
        self.add("header", version=2, ledger=ledger, holder=holder, dataset=dataset, key=public_bytes(key).hex(),
                 created=1767225600)

    def add(self, kind, **members):
        self.entries.append({"kind": kind, "record": len(self.entries) + 1, **members})
        return self

    def charge(self, round, attempt=0, release=0, session=S1, event=None, survivors=None, delta=DELTA, **other):
        event = event or gaussian()
        before = epsilon_of(self.events, delta)
        self.events = self.events + [event]
        after = epsilon_of(self.events, delta)
        show = lambda value: "infinite" if math.isinf(value) else value
        return self.add("charge", **{
            "session": session, "round": round, "attempt": attempt, "release": release, "name": "item gradients",
            "plan": PLAN, "binding": BINDING, "event": event, "sampler": "everyone", "participants": 5, "survivors": survivors,
            "delta": delta, "epsilon_before": show(before), "epsilon_after": show(after), "accountant": ACCOUNTANT,
            "time": 1767225600 + len(self.entries), **other})

    def outcome(self, round, result="released", attempt=0, release=0, session=S1, survivors=5, reason=None,
                published=None):
        return self.add("outcome", session=session, round=round, attempt=attempt, release=release, result=result,
                        published=published, reason=reason, survivors=survivors,
                        time=1767225600 + len(self.entries))

    def refund(self, data, signers, round=0, attempt=0, release=0, session=S1):
        if self.events:
            self.events = self.events[:-1]
        return self.add(
            "refund", session=session, round=round, attempt=attempt, release=release, statement=data.hex(),
            endorsements=[{"key": public_bytes(PARTNERS[signer]).hex(), "signature": PARTNERS[signer].sign(data).hex()}
                          for signer in signers], time=1767225600 + len(self.entries))

    def note(self, text):
        return self.add("note", text=text, time=1767225600 + len(self.entries))

    @property
    def payloads(self):
        return [canonical(entry) for entry in self.entries]

    @property
    def lines(self):
        return chain(self.payloads, self.key)

    @property
    def data(self):
        return b"".join(self.lines)


def gaussian(sigma_squared=1_000_004, delta_squared=10_000, **other):
    return {"type": "gaussian", "sigma_squared": sigma_squared, "shares": 1, "delta_squared": delta_squared,
            "dimension": 1000, "adjacency": "add-remove", "partners_per_user": 1, **other}


def plain():
    return Builder().charge(0).outcome(0).charge(1).outcome(1)


def flip(data, offset, bit=0):
    return data[:offset] + bytes([data[offset] ^ 1 << bit]) + data[offset + 1:]


def vectors():
    good = plain()
    lines, data = good.lines, good.data
    start = [sum(map(len, lines[:index])) for index in range(len(lines))]

    yield "good_header_only", "a ledger that charged nothing yet", Builder().data, {}
    yield "good_partner", "two rounds of a partner, both released", data, {}
    yield "good_coordinator", "an aborted attempt counts; the next attempt is charged again", (
        Builder("coordinator", holder="coordinator", dataset="task 7")
        .charge(0, survivors=4).outcome(0, "aborted", survivors=4, reason="fewer than t answers to unmask")
        .charge(0, attempt=1, survivors=5)
        .outcome(0, attempt=1, published=hashlib.sha256(b"noised sum").hexdigest()).data), {}
    yield "good_two_sessions", "one data set under two sessions: rounds count anew, the budget does not", (
        Builder().charge(3).charge(0, session=S2, event=gaussian(3_000_000))
        .charge(1, session=S2, event=gaussian(8_000_000, shares=4, partners_per_user=2), delta=1e-8).data), {}
    yield "good_replace_one", "the distance between neighbours is twice the sensitivity", (
        Builder().charge(0, event=gaussian(adjacency="replace-one")).data), {}
    yield "good_other_accountant", "epsilon by an accountant that is not this one: the recomputed value counts", (
        Builder().charge(0, accountant="pld 3", epsilon_after=0.4).data), {}
    yield "good_composed_events", "repeated and composed events", (
        Builder().charge(0, event={"type": "repeated", "count": 10, "event": gaussian()})
        .charge(1, event={"type": "composed", "events": [gaussian(), gaussian(5_000_000)]}).data), {}
    yield "good_unprotected", "a sum released without noise: epsilon is infinite from there on", (
        Builder().charge(0).charge(1, event={"type": "unprotected"}).data), {}
    yield "good_texts", "escapes, letters beyond ASCII, and all other text as it is", (
        Builder(holder="Bäckerei \"Zur Kornähre\" \\ 麦").note("tab\there, line\nfeed, bell\u0007, slash / del \u007f 🥐")
        .note("").data), {}
    yield "good_missing_line_feed", "the record is whole, so it counts; only its line feed is missing", data[:-1], {}
    yield "good_torn_last_line", "a write that a crash cut short: dropped, nothing had left", data[:start[4] + 200], {}
    yield "good_torn_in_signature", "torn within the signature", data[:-2], {}
    yield "good_refund_without_rules", "a refund that nobody judged: the charge counts", (
        Builder().charge(0).refund(statement([1, 2, 3, 4]), [1, 2, 3, 4]).data), {}
    judged = {"rules": RULES}
    yield "good_refund_proven", "four of five signed a set without the holder; the next charge starts from nothing", (
        Builder().charge(0).refund(statement([1, 2, 3, 4]), [1, 2, 3, 4]).charge(1).data), judged
    for name, said, signers in [
        ("three_signers", statement([1, 2, 3, 4]), [1, 2, 3]),
        ("one_signer_twice", statement([1, 2, 3, 4]), [1, 2, 3, 3]),
        ("holder_survives", statement([0, 1, 2, 3, 4]), [0, 1, 2, 3, 4]),
        ("signer_no_survivor", statement([1, 2, 3]), [1, 2, 3, 4]),
        ("another_attempt", statement([1, 2, 3, 4], attempt=1), [1, 2, 3, 4]),
        ("another_binding", statement([1, 2, 3, 4], binding=PLAN), [1, 2, 3, 4]),
        ("outside_roster", statement([1, 2, 3, 4, 9]), [1, 2, 3, 4]),
        ("not_ascending", statement([2, 1, 3, 4]), [1, 2, 3, 4]),
        ("byte_too_many", statement([1, 2, 3, 4]) + b"\0", [1, 2, 3, 4]),
    ]:
        yield "good_refund_unproven_" + name, "evidence that proves nothing: the charge counts", (
            Builder().charge(0).refund(said, signers).data), judged
    yield "good_known_head", "an extension of a head that was seen before", data, {
        "known_head": {"size": 3, "head": lines[2].split(b"\t")[1].decode()}}
    yield "good_plan_among_others", "a partner's ledger holds many plans", (
        Builder().charge(0, plan=BINDING).charge(1).data), {"plan": PLAN}

    yield "bad_other_plan", "a coordinator's ledger of another task", (
        Builder("coordinator").charge(0, survivors=5).charge(1, plan=BINDING, survivors=5).data), {"plan": PLAN}
    yield "bad_never_this_plan", "a partner's ledger without a charge of the plan", (
        Builder().charge(0, plan=BINDING).data), {"plan": PLAN}
    yield "bad_rolled_back", "records at the end are gone; a later head was seen before", b"".join(lines[:3]), {
        "known_head": {"size": 5, "head": lines[4].split(b"\t")[1].decode()}}
    yield "bad_forked", "another history than the one that was seen before", data, {
        "known_head": {"size": 3, "head": Builder().charge(0).charge(2).lines[2].split(b"\t")[1].decode()}}
    yield "bad_refund_by_coordinator", "a coordinator's charge is never taken back", (
        Builder("coordinator").charge(0, survivors=5).refund(statement([1, 2, 3, 4]), [1, 2, 3, 4]).data), judged
    yield "bad_refund_twice", "one charge taken back twice", (
        Builder().charge(0).refund(statement([1, 2, 3, 4]), [1, 2, 3, 4])
        .refund(statement([1, 2, 3, 4]), [1, 2, 3, 4]).data), judged
    yield "bad_empty", "no byte at all", b"", {}
    yield "bad_header_missing", "begins with a note", chain([canonical(
        {"kind": "note", "record": 1, "text": "no header", "time": 0})], KEY)[0], {}
    yield "bad_header_twice", "a second header", chain(good.payloads[:1] + [canonical(
        {**good.entries[0], "record": 2})], KEY)[0] + chain(good.payloads[:1] + [canonical(
            {**good.entries[0], "record": 2})], KEY)[1], {}
    old = chain([canonical({**good.entries[0], "version": 1})], KEY)[0]
    yield "bad_version", "another format version", old, {}
    yield "bad_version_1", "a format version of the past, whose lines have no root", b"\t".join(
        part for index, part in enumerate(old.split(b"\t")) if index != 2), {}
    yield "bad_round_too_large", "a round that no message can name", Builder().charge(2**32).data, {}
    yield "bad_round_of_63_bits", "a round after which none can be counted", Builder().charge(2**63 - 1).data, {}
    yield "bad_epsilon_of_no_noise", "a sum without noise, and a finite epsilon beside it", (
        Builder().charge(0, event={"type": "unprotected"}, epsilon_after=1).data), {}
    yield "bad_epsilon_by_no_accountant", "an accountant that nobody knows states less than the events give", (
        Builder().charge(0, accountant="wishful 1", epsilon_after=0.0001).data), {}
    yield "bad_flip_in_payload", "one bit of the epsilon of record 2", flip(
        data, start[1] + lines[1].index(b"epsilon_after") + 16), {}
    yield "bad_flip_in_hash", "one bit of the chain hash of record 3", flip(data, start[3] - 130 - 65 - 64), {}
    yield "bad_flip_in_root", "one bit of the root of record 3", flip(data, start[3] - 130 - 64, 1), {}
    yield "bad_wrong_root", "the holder signed record 3 with the root of another tree", b"".join(
        chain(good.payloads, KEY, roots={3: tree_root([b"another"])})), {}
    yield "bad_flip_in_signature", "one bit of the signature of record 3", flip(data, start[3] - 5), {}
    yield "bad_flip_in_line_feed", "one bit of the line feed between records 2 and 3", flip(data, start[2] - 1, 6), {}
    yield "bad_flip_in_last_line_feed", "one bit of the last line feed: not torn, damaged", flip(data, len(data) - 1, 6), {}
    yield "bad_records_swapped", "records 3 and 4 in the other order", b"".join(
        lines[:2] + [lines[3], lines[2]] + lines[4:]), {}
    yield "bad_record_removed", "record 3 is gone", b"".join(lines[:2] + lines[3:]), {}
    yield "bad_record_repeated", "record 2 stands twice", b"".join(lines[:2] + lines[1:]), {}
    yield "bad_wrong_signature", "record 3 is signed by somebody else", b"".join(
        lines[:2] + [chain(good.payloads, STRANGER)[2]]), {}
    forged = Builder(key=STRANGER).charge(0).data
    yield "bad_forged_key", "whole and consistent, but rewritten under another key", forged, {"key": public_bytes(KEY)}
    yield "bad_number", "the holder signed the second record as the third", b"".join(
        chain([good.payloads[0], canonical({**good.entries[1], "record": 3})], KEY, numbers=[1, 3])), {}
    yield "bad_round_goes_back", "round 0 after round 1", Builder().charge(1).charge(0).data, {}
    yield "bad_charged_twice", "one attempt charged twice", Builder().charge(0).charge(0).data, {}
    yield "bad_outcome_not_charged", "an outcome of an attempt without a charge", Builder().charge(0).outcome(1).data, {}
    yield "bad_outcome_twice", "two outcomes of one attempt", Builder().charge(0).outcome(0).outcome(0).data, {}
    yield "bad_epsilon_too_small", "epsilon after the charge is understated", (
        Builder().charge(0).charge(1, epsilon_after=epsilon_of([gaussian()], DELTA) + 0.01).data), {}
    yield "bad_epsilon_before", "epsilon before the charge forgets the first one", (
        Builder().charge(0).charge(1, epsilon_before=0).data), {}
    yield "bad_two_adjacencies", "events that do not compose: epsilon is unknown, so infinite", (
        Builder().charge(0).charge(1, event=gaussian(adjacency="zero-out")).data), {}
    yield "bad_unknown_event", "an event that nobody can account for", chain(
        [good.payloads[0], canonical({**good.entries[1], "event": {"type": "hope"}})], KEY)[0] + chain(
        [good.payloads[0], canonical({**good.entries[1], "event": {"type": "hope"}})], KEY)[1], {}
    yield "bad_unknown_member", "a member that version 1 does not know", b"".join(chain(
        [good.payloads[0], canonical({**good.entries[1], "users": 12})], KEY)), {}
    yield "bad_not_canonical", "a space in the payload", b"".join(chain(
        [good.payloads[0], good.payloads[1].replace(b",", b", ", 1)], KEY)), {}
    yield "bad_member_twice", "a member stands twice", b"".join(chain(
        [good.payloads[0], good.payloads[1].replace(b'{"accountant"', b'{"accountant":"x","accountant"', 1)], KEY)), {}
    yield "bad_number_form", "1e-6 written in another way", b"".join(chain(
        [good.payloads[0], good.payloads[1].replace(b'"delta":0.000001', b'"delta":1e-06', 1)], KEY)), {}


def documents():
    """-> (comment, whether it holds, document)"""
    shown = plain().note("a").note("b")
    other = plain().note("c").note("d").note("e").note("f")
    chains = [[bytes.fromhex(line.split(b"\t")[1].decode()) for line in builder.lines] for builder in (shown, other)]
    (a, b), key = chains, public_bytes(KEY).hex()
    head = lambda hashes, size, **more: head_document(hashes, size, KEY, **more)
    base = lambda kind, **members: {"kind": "tacit-ledger-" + kind, "version": 1, "key": key, **members}
    growth = lambda earlier, later, hashes, old, new: base(
        "growth", earlier=earlier, later=later, path=[part.hex() for part in consistency_path(old, hashes[:new])])
    record = lambda head, hashes, payload, number, size: base(
        "record", head=head, record=number, previous=(hashes[number - 2] if number > 1 else ORIGIN).hex(), payload=payload.decode(),
        path=[part.hex() for part in inclusion_path(number - 1, hashes[:size])])
    yield "a head", True, base("head", head=head(a, 7))
    yield "the head of a header", True, base("head", head=head(a, 1))
    yield "growth", True, growth(head(b, 7), head(b, 9), b, 7, 9)
    yield "a record", True, record(head(a, 7), a, shown.payloads[3], 4, 7)
    # The holder signs the hash that was shown beside the root of the ledger it goes on with.
    mixed = {**head(a, 7, root=tree_root(b[:7])), "place": [part.hex() for part in inclusion_path(6, b[:7])]}
    yield "the hash of one ledger with the root of another", False, base("head", head=mixed)
    yield "growth from the hash of one ledger with the root of another", False, growth(mixed, head(b, 9), b, 7, 9)
    yield "a record under the hash of one ledger and the root of another", False, record(mixed, b, other.payloads[6], 7, 7)
    yield "a record of another number", False, record(head(a, 7), a, shown.payloads[3], 4, 7) | {"record": 5}
    payload = canonical({"kind": "wish", "record": 2})
    wish = [a[0], link(a[0], payload)]
    yield "a payload that is no record", False, record(head(wish, 2), wish, payload, 2, 2)
    yield "a head without its place", False, base("head", head={**head(a, 7), "place": []})
    yield "growth to a fork", False, growth(head(a, 7), head(b, 9), b, 7, 9)


NUMBERS = [0.0, 1.0, -1.0, 0.1, -0.5, 1e-6, 1e-7, 1.5e-10, 123456.789, 2.0**53, 2.0**60, -2.0**62, 2.0**63, 1e20, 1e21,
           1.2345e21, 1e22, 1.7976931348623157e308, 5e-324, 2.2250738585072014e-308, 4.9406564584124654e-320,
           0.30000000000000004, 9.313225746154785e-10, 3.141592653589793, 333333333.3333333]


def write_vectors():
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors", "ledger")
    os.makedirs(folder, exist_ok=True)
    count = 0
    for name, comment, data, options in vectors():
        questions = {name: options[name] for name in ("rules", "plan", "known_head") if name in options}
        key = options.get("key", public_bytes(KEY))
        expected = verify(data, key, **questions)
        assert expected["sound"] == name.startswith("good_"), (name, expected)
        vector = {"source": "Protocols/reference/ledger.py", "comment": comment, "key": key.hex(), "ledger": data.hex(),
                  "expect": expected, **questions}
        if name.startswith("good_"):
            vector["seed"] = SEED.hex()
        with open(os.path.join(folder, name + ".json"), "w") as file:
            json.dump(vector, file, indent=1, sort_keys=True)
            file.write("\n")
        count += 1
    with open(os.path.join(folder, "numbers.json"), "w") as file:
        import struct
        json.dump({"source": "Protocols/reference/ledger.py", "comment": "IEEE 754 bits, big-endian, and the one text of the number",
                   "numbers": [[struct.pack(">d", value).hex(), number_text(value)] for value in NUMBERS]}, file, indent=1)
        file.write("\n")
    hashes = [bytes.fromhex(line.split(b"\t")[1].decode()) for line in plain().note("a").note("b").note("c").lines]
    sizes = range(1, len(hashes) + 1)
    with open(os.path.join(folder, "proofs.json"), "w") as file:
        json.dump({
            "source": "Protocols/reference/ledger.py", "comment": "proofs of the tree over the chain hashes; records count from 1",
            "ledger": plain().note("a").note("b").note("c").data.hex(), "key": public_bytes(KEY).hex(),
            "inclusion": [{"record": record, "size": size, "path": [part.hex() for part in inclusion_path(record - 1, hashes[:size])]}
                          for size in sizes for record in range(1, size + 1)],
            "consistency": [{"old": old, "new": new, "path": [part.hex() for part in consistency_path(old, hashes[:new])]}
                            for new in sizes for old in range(1, new + 1)]}, file, indent=1)
        file.write("\n")
    made = [{"comment": comment, "holds": holds, "document": canonical(document).decode()} for comment, holds, document in documents()]
    for vector, (comment, holds, document) in zip(made, documents()):
        assert document_holds(document) == holds, comment
    with open(os.path.join(folder, "documents.json"), "w") as file:
        json.dump({"source": "Protocols/reference/ledger.py", "comment": "documents between parties, and whether they show what they say",
                   "documents": made}, file, indent=1)
        file.write("\n")
    print(f"{count} ledgers and {len(NUMBERS)} numbers written to {os.path.normpath(folder)}")


def print_example():
    example = Builder().charge(0)
    previous, ledger = ORIGIN, None
    print("seed      ", SEED.hex())
    print("public key", public_bytes(KEY).hex())
    for number, line in enumerate(example.lines, 1):
        payload, digest, root, signature = line.rstrip(b"\n").split(b"\t")
        ledger = ledger or bytes.fromhex(digest.decode())
        print(f"\nrecord {number}\npayload   {payload.decode()}\nprevious  {previous.hex()}\nhash      {digest.decode()}\nroot      {root.decode()}")
        print("message  ", head_message(ledger, number, bytes.fromhex(digest.decode()), bytes.fromhex(root.decode())).hex())
        print("signature", signature.decode())
        previous = bytes.fromhex(digest.decode())


if __name__ == "__main__":
    command = sys.argv[1:2]
    if command == ["vectors"]:
        write_vectors()
    elif command == ["example"]:
        print_example()
    elif command == ["verify"] and len(sys.argv) in (3, 4):
        with open(sys.argv[2], "rb") as file:
            result = verify(file.read(), bytes.fromhex(sys.argv[3]) if len(sys.argv) == 4 else None)
        print(json.dumps(result, indent=1))
        sys.exit(0 if result["sound"] else 1)
    else:
        sys.exit(__doc__)
