#!/usr/bin/env python3
"""A second, independent client of Tacit's network protocol, written against Protocols/ alone.

It shares no code with the Swift programs: its gRPC stubs are made at run time from Protocols/tacit/v1/*.proto, its keys and its
certificate request by the `cryptography` package. Needs Python 3.9, grpcio, grpcio-tools and cryptography.

  network_client.py --home FOLDER enrol TOKEN        make keys, redeem the token, keep what the coordinator answered
  network_client.py --home FOLDER consent            say hello, read the documents, consent to the plan
  network_client.py --home FOLDER take-part --rounds N   hello, poll, read everything, answer N rounds (one) with a refusal ("paused")
  network_client.py --home FOLDER evaluation         hello, read what each evaluation release of the plan made public, and check it
  network_client.py --home FOLDER fuzz --count N     send N requests that no honest client sends; each must be refused

The last line on standard output is one JSON object; the exit code is 0 when everything was as the protocol says.
"""

import argparse
import base64
import collections
import hashlib
import importlib
import json
import os
import pathlib
import random
import re
import socket
import ssl
import struct
import sys
import tempfile
import time

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from grpc_tools import protoc

PROTOCOLS = pathlib.Path(__file__).resolve().parent.parent
VERSION = 1


def stubs():
    """Modules (coordination_pb2, coordination_pb2_grpc, enrolment_pb2, ..., training_pb2) made from the .proto files, in a folder that goes away."""
    folder = tempfile.TemporaryDirectory(prefix="tacit-stubs-")
    source = PROTOCOLS / "tacit" / "v1"
    files = ["coordination", "enrolment", "secure_aggregation", "training"]
    code = protoc.main(["protoc", f"-I{source}", f"--python_out={folder.name}", f"--grpc_python_out={folder.name}"]
                       + [str(source / f"{name}.proto") for name in files])
    if code != 0:
        sys.exit("the .proto files cannot be compiled")
    sys.path.insert(0, folder.name)
    modules = {name: importlib.import_module(name) for name in
               ["coordination_pb2", "coordination_pb2_grpc", "enrolment_pb2", "enrolment_pb2_grpc", "training_pb2"]}
    return argparse.Namespace(folder=folder, **modules)


def sha256(data): return hashlib.sha256(data).digest()


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = _crc_table()


def crc32c(data):
    """RFC 3720 section 12.1: reflected, initial value and final xor all ones."""
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ CRC_TABLE[(value ^ byte) & 255]
    return value ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283


# ---- Enrolment ---------------------------------------------------------------------------------------------------

class Token:
    """`tacit1.` and base64url of: 1, name, training address, enrolment address (one byte of length each), SHA-256 of the CA (32),
    secret (32), end in seconds (8, big-endian), and the first 4 bytes of SHA-256("tacit/v1/token" LF bytes)."""

    def __init__(self, text):
        text = "".join(text.split())
        if not text.startswith("tacit1."):
            raise ValueError("this is no token")
        text = text[len("tacit1."):]
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        data, checksum = data[:-4], data[-4:]
        if sha256(b"tacit/v1/token\n" + data)[:4] != checksum or data[0] != 1:
            raise ValueError("the token is damaged")
        fields, position = [], 1
        for _ in range(3):
            length = data[position]
            fields.append(data[position + 1:position + 1 + length].decode("ascii"))
            position += 1 + length
        self.name, self.training, self.enrolment = fields
        self.authority, self.secret = data[position:position + 32], data[position + 32:position + 64]
        (self.expires,) = struct.unpack(">Q", data[position + 64:])


def authority_of(address, fingerprint):
    """The CA certificate (PEM) that the enrolment listener shows, found by the fingerprint that the token pins."""
    host, port = address.rsplit(":", 1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["h2"])
    with socket.create_connection((host.strip("[]"), int(port)), timeout=10) as raw, context.wrap_socket(raw) as connection:
        chain = [certificate.public_bytes(ssl._ssl.ENCODING_DER) for certificate in connection._sslobj.get_unverified_chain()]
    for der in chain:
        if sha256(der) == fingerprint:
            return ssl.DER_cert_to_PEM_cert(der)
    sys.exit("the listener does not show the CA of the token")


def metadata(instance, version=str(VERSION)):
    return (("tacit-protocol", version), ("tacit-instance-bin", instance))


def refusal(error):
    """(gRPC code, tacit-reason or None)."""
    trailing = {key: value for key, value in (error.trailing_metadata() or ())}
    return error.code().name, trailing.get("tacit-reason")


def enrol(home, token_text, proto):
    token = Token(token_text)
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    identity = Ed25519PrivateKey.generate()
    request = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, token.name)])
    ).sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    verification = identity.public_key().public_bytes_raw()
    proof = identity.sign(b"tacit/v1/enrolment-proof\n" + sha256(b"tacit/v1/enrolment-secret\n" + token.secret) + verification
                          + sha256(request))
    root = authority_of(token.enrolment, token.authority)
    with grpc.secure_channel(token.enrolment, grpc.ssl_channel_credentials(root.encode())) as channel:
        answer = proto.enrolment_pb2_grpc.EnrolmentStub(channel).Enrol(
            proto.enrolment_pb2.EnrolRequest(oldest_version=VERSION, newest_version=VERSION, software="network_client.py",
                                             secret=token.secret, certificate_request=request, verification_key=verification,
                                             proof=proof),
            timeout=30, metadata=metadata(os.urandom(16)))
    if sha256(ssl.PEM_cert_to_DER_cert(answer.authority_pem)) != token.authority:
        sys.exit("the answer holds another CA than the token")
    (home / "state.json").write_text(json.dumps({
        "participant": answer.participant, "training": token.training, "enrolment": token.enrolment,
        "certificate": answer.certificate_pem, "authority": answer.authority_pem,
        "coordinator_key": answer.coordinator_key.hex(), "roster": answer.roster.hex(), "statements": 0,
        "key": key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                 serialization.NoEncryption()).decode(),
        "identity": identity.private_bytes_raw().hex(),
    }))
    (home / "state.json").chmod(0o600)
    return {"participant": answer.participant}


# ---- The training connection -------------------------------------------------------------------------------------

class Client:
    """One process of one partner: mutual TLS, one instance."""

    def __init__(self, home, proto):
        self.home, self.proto = home, proto
        self.state = json.loads((home / "state.json").read_text())
        self.instance = os.urandom(16)
        self.channel = grpc.secure_channel(
            self.state["training"],
            grpc.ssl_channel_credentials(self.state["authority"].encode(), self.state["key"].encode(),
                                         self.state["certificate"].encode()),
            options=[("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)])
        self.stub = proto.coordination_pb2_grpc.CoordinationStub(self.channel)
        self.messages = proto.coordination_pb2
        self.metadata = metadata(self.instance)

    def hello(self):
        answer = self.stub.Hello(
            self.messages.HelloRequest(oldest_version=VERSION, newest_version=VERSION, software="network_client.py"), timeout=30,
            metadata=self.metadata)
        if answer.version != VERSION:
            sys.exit(f"the coordinator chose version {answer.version}")
        return answer

    def poll(self, session=b"", after=None, wait=1000):
        return self.stub.Poll(self.messages.PollRequest(session=session, after=after, wait_ms=wait),
                              timeout=30 + wait / 1000, metadata=self.metadata)

    def download(self, name):
        header, data = None, bytearray()
        for part in self.stub.Download(self.messages.DownloadRequest(name=name), timeout=60, metadata=self.metadata):
            if header is None:
                header = part.header
                continue
            chunk = part.chunk
            if chunk.offset != len(data) or crc32c(chunk.data) != chunk.crc32c:
                sys.exit(f"a chunk of {name} is not what it says")
            data += chunk.data
        if header.size != len(data) or header.sha256 != sha256(bytes(data)):
            sys.exit(f"{name} is not what its header says")
        return bytes(data)

    def upload(self, key, data):
        """Sends one message and returns the names of the states that the server answered with."""
        states = []
        requests = collections.deque([self.messages.UploadPart(header=self.messages.UploadHeader(
            key=key, size=len(data), sha256=sha256(data)))])
        wake = __import__("threading").Semaphore(1)

        def parts():
            while True:
                wake.acquire()
                if not requests:
                    return
                yield requests.popleft()

        for state in self.stub.Upload(parts(), timeout=60, metadata=self.metadata):
            states.append(state.WhichOneof("phase"))
            if states[-1] == "receiving":
                for start in range(state.receiving.offset, len(data), 1 << 20):
                    piece = data[start:start + (1 << 20)]
                    requests.append(self.messages.UploadPart(chunk=self.messages.Chunk(offset=start, data=piece, crc32c=crc32c(piece))))
                    wake.release()
            wake.release()
            if states[-1] == "refused":
                states[-1] += ": " + state.refused.reason
        return states

    def message(self, envelope):
        data = envelope.inline if envelope.WhichOneof("content") == "inline" else self.download(envelope.document)
        if len(data) != envelope.size or sha256(data) != envelope.sha256:
            sys.exit("a message is not what its envelope says")
        message = self.proto.training_pb2.CoordinatorMessage()
        message.ParseFromString(data)
        return message

    def plan(self):
        """The plan's bytes, when the pinned coordinator signed them."""
        data, signature = self.download("plan"), self.download("plan-signature")
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.state["coordinator_key"])).verify(
            signature, b"tacit/v1/plan\n" + sha256(data))
        return data

    def consent(self):
        plan, roster = self.plan(), self.download("roster")
        self.download("catalogue")
        self.state["statements"] += 1
        task = sha256(ssl.PEM_cert_to_DER_cert(self.state["authority"]))[:16]
        signed = (b"tacit/v1/partner-statement\n" + bytes([1]) + task
                  + struct.pack("<IQ", self.state["participant"], self.state["statements"]) + sha256(plan) + sha256(roster)
                  + struct.pack("<Q", int(time.time())))
        identity = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(self.state["identity"]))
        self.stub.Report(self.messages.ReportRequest(statement=signed + identity.sign(signed)), timeout=30, metadata=self.metadata)
        (self.home / "state.json").write_text(json.dumps(self.state))
        return plan

    def take_part(self, rounds=1, seconds=120):
        """Waits for so many rounds, checks how each was opened, and answers that it takes no part in it."""
        self.hello()
        plan = json.loads(self.plan())
        session = bytes.fromhex(plan["session"])
        end, answered = time.time() + seconds * rounds, set()
        while time.time() < end:
            answer = self.poll(session, wait=2000)
            for envelope in answer.envelopes:
                message = self.message(envelope)
                if message.WhichOneof("body") != "round_start":
                    continue
                start = message.round_start
                if (start.round, start.attempt) in answered:
                    time.sleep(0.1)
                    continue
                signed = (b"tacit/v1/round-start\n" + start.plan_hash + sha256(start.model) + start.session
                          + struct.pack("<II", start.round, start.attempt) + struct.pack("<Q", start.ledger_size) + start.ledger_head)
                Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.state["coordinator_key"])).verify(start.signature, signed)
                body = self.proto.training_pb2.PartnerMessage(refusal=self.proto.training_pb2.RoundRefusal(
                    session=start.session, round=start.round, attempt=start.attempt, participant=self.state["participant"],
                    reason=17))
                key = self.messages.UploadKey(session=start.session, round=start.round, attempt=start.attempt, kind=1)
                states = self.upload(key, body.SerializeToString())
                again = self.stub.UploadStatus(key, timeout=30, metadata=self.metadata).WhichOneof("phase")
                answered.add((start.round, start.attempt))
                if len(answered) == rounds:
                    return {"round": start.round, "attempt": start.attempt, "states": states, "again": again}
        sys.exit(f"{len(answered)} rounds were opened, expected {rounds}")


# ---- What an evaluation release made public (training-round.md, section 8.1) ---------------------------------------

class EvaluationDocument:
    """The coordinator's signed word on a release, the ledger record that it leads to, and the integers."""

    LABEL, RELEASE_LABEL = b"tacit/v1/evaluation-release\n", b"tacit/v1/model-release\n"

    def __init__(self, data):
        if len(data) > 8192 or not data.startswith(self.LABEL):
            raise ValueError("this is no evaluation release")
        self.position, self.data = len(self.LABEL), data
        statement = self.take(219)
        self.signed, self.signature = statement[:155], statement[155:]
        if not statement.startswith(self.RELEASE_LABEL):
            raise ValueError("it holds no signed release")
        self.plan_hash, self.model_hash = statement[23:55], statement[55:87]
        self.session = statement[87:103]
        self.version, self.round, self.attempt, self.ledger_size = struct.unpack("<IIIQ", statement[103:123])
        self.ledger_head = statement[123:155]
        self.previous_head = self.take(32)
        self.outcome = self.take(struct.unpack("<Q", self.take(8))[0])
        integers = self.take(struct.unpack("<Q", self.take(8))[0])
        if self.position != len(data) or len(integers) % 8:
            raise ValueError("it has bytes too many, or integers of other than 8 bytes")
        self.entries = [value for (value,) in struct.iter_unpack("<q", integers)]

    def take(self, count):
        if count > len(self.data) - self.position:
            raise ValueError("it ends too early")
        self.position += count
        return self.data[self.position - count:self.position]

    def check(self, plan_bytes, key):
        """Raises ValueError, or InvalidSignature, unless these are the integers of a release that the coordinator signed."""
        plan = json.loads(plan_bytes)
        release = plan["releases"][self.round]
        Ed25519PublicKey.from_public_bytes(key).verify(self.signature, self.signed)
        half = 1 << release["modulusBits"] - 1
        outcome = json.loads(self.outcome)
        canonical = json.dumps(outcome, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        expected = {"kind": "outcome", "record": self.ledger_size, "session": self.session.hex(), "round": self.round,
                    "attempt": self.attempt, "release": self.round, "result": "released", "reason": None,
                    "published": sha256(b"".join(struct.pack("<q", value) for value in self.entries)).hex(),
                    "survivors": outcome.get("survivors"), "time": outcome.get("time")}
        for holds, what in [
                (release["purpose"] == "evaluation" and plan["privacy"]["noise"] != "none", "no evaluation with noise"),
                (self.plan_hash == sha256(plan_bytes) and self.session.hex() == plan["session"], "of another plan"),
                (len(self.entries) == release["dimension"] == 9, "another number of integers"),
                (all(-half <= value < half for value in self.entries), "an integer outside of the ring"),
                (len(self.outcome) <= 4096 and canonical == self.outcome, "an outcome in another form"),
                (sha256(b"tacit/ledger/link/v1\0" + self.previous_head + self.outcome) == self.ledger_head, "a record of another ledger"),
                (outcome == expected, "an outcome of something else"),
                (isinstance(outcome["survivors"], int)
                 and plan["aggregation"]["minimumSurvivors"] <= outcome["survivors"] <= len(plan["roster"]), "too few or too many partners")]:
            if not holds:
                raise ValueError(what)


def evaluations(client):
    """Reads and checks every evaluation release of the plan; changed anywhere, none of them passes."""
    client.hello()
    plan_bytes = client.plan()
    key = bytes.fromhex(client.state["coordinator_key"])
    found = {}
    for number, release in enumerate(json.loads(plan_bytes)["releases"]):
        if release["purpose"] != "evaluation":
            continue
        data = client.download(f"evaluation/{number}")
        EvaluationDocument(data).check(plan_bytes, key)
        for place in range(0, len(data), 7):
            changed = bytearray(data)
            changed[place] ^= 1
            try:
                EvaluationDocument(bytes(changed)).check(plan_bytes, key)
            except Exception:  # Whatever is wrong with it: it is refused.
                continue
            sys.exit(f"evaluation {number} passes with byte {place} changed")
        found[number] = EvaluationDocument(data).entries
    return {"evaluations": found}


# ---- Requests that no honest client sends ------------------------------------------------------------------------

def varint(value):
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def field(number, kind, payload):
    return varint(number << 3 | kind) + (varint(len(payload)) + payload if kind == 2 else payload)


class Fuzzer:
    """Each kind of request returns (method, [request bytes], metadata, reasons that the protocol allows)."""

    # May meet every call: limits come before everything else.
    ALWAYS = {"rate-limited", "too-many-calls"}

    def __init__(self, client, seed):
        self.client, self.random = client, random.Random(seed)
        self.messages = client.messages
        answer = client.poll(wait=1)
        self.session = answer.session or os.urandom(16)
        self.open = max(((e.cursor.round, e.cursor.attempt) for e in answer.envelopes), default=(0, 0))
        self.kinds = [self.truncated, self.noise, self.wrong_length, self.absurd_size, self.oversized, self.wrong_offset,
                      self.bad_checksum, self.unknown_document, self.unspeakable_document, self.wrong_session, self.no_header,
                      self.unknown_method, self.wrong_version, self.wrong_instance, self.bad_statement, self.bad_request,
                      self.never_an_answer, self.garbage]

    def bytes(self, low, high): return self.random.randbytes(self.random.randint(low, high))
    def one_of(self, *choices): return self.random.choice(choices)

    def key(self, **changes):
        # Mostly the open attempt, so that the later checks are reached as well.
        round_, attempt = self.open if self.random.random() < 0.7 else (self.random.randrange(3), self.random.randrange(3))
        values = dict(session=self.session, round=round_, attempt=attempt, kind=self.random.randint(2, 8))
        return self.messages.UploadKey(**{**values, **changes})

    def header(self, data=b"x", **changes):
        return self.messages.UploadPart(header=self.messages.UploadHeader(
            **{**dict(key=self.key(), size=len(data), sha256=sha256(data)), **changes})).SerializeToString()

    def chunk(self, data, offset=0, crc=None):
        return self.messages.UploadPart(chunk=self.messages.Chunk(
            offset=offset, data=data, crc32c=crc32c(data) if crc is None else crc)).SerializeToString()

    METHODS = ["Hello", "Poll", "Download", "UploadStatus", "Upload", "RenewCertificate", "Report"]

    def truncated(self):
        # A field that says it is longer than what is left: no protobuf, whatever the message.
        body = field(self.random.randint(1, 6), 2, self.bytes(20, 40))
        return self.one_of(*self.METHODS), [body[:self.random.randint(3, 19)]], None, {"malformed"}

    def noise(self):
        # Wire type 7 does not exist.
        return self.one_of(*self.METHODS), [varint(self.random.randint(1, 6) << 3 | 7) + self.bytes(0, 200)], None, {"malformed"}

    def wrong_length(self):
        pick = self.random.randrange(5)
        if pick == 0:
            return "Poll", [self.messages.PollRequest(session=self.bytes(1, 15)).SerializeToString()], None, {"malformed"}
        if pick == 1:
            return "UploadStatus", [self.key(session=self.bytes(17, 40)).SerializeToString()], None, {"malformed"}
        if pick == 2:
            return "Upload", [self.header(sha256=self.bytes(0, 31))], None, {"malformed"}
        if pick == 3:
            note = self.messages.LedgerNote(dataset="d", size=1, head=self.bytes(0, 31))
            return "Hello", [self.messages.HelloRequest(oldest_version=1, newest_version=1, software="f", ledgers=[note])
                             .SerializeToString()], None, {"malformed"}
        return "Download", [self.messages.DownloadRequest(name="plan", offset=5, sha256=self.bytes(1, 31)).SerializeToString()], None, \
            {"malformed"}

    def absurd_size(self):
        size = self.one_of(1 << 40, 1 << 50, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
        return "Upload", [self.header(size=size)], None, \
            {"too-large", "malformed", "stage-closed", "conflict", "state:superseded", "state:refused"}

    def oversized(self):
        # Larger than any request may be; most of it is one field.
        body = self.messages.ReportRequest(statement=bytes(self.one_of(70_000, 300_000, 2_000_000))).SerializeToString()
        return "Report", [body], None, {"too-large", "malformed"}

    def wrong_offset(self):
        data = self.bytes(100, 2000)
        return "Upload", [self.header(data), self.chunk(data, offset=self.random.randint(1, 1 << 40))], None, \
            {"bad-offset", "stage-closed", "conflict", "too-large", "state:superseded", "state:refused"}

    def bad_checksum(self):
        data = self.bytes(100, 2000)
        return "Upload", [self.header(data), self.chunk(data, crc=crc32c(data) ^ 1)], None, \
            {"bad-checksum", "stage-closed", "conflict", "too-large", "state:superseded", "state:refused"}

    def unknown_document(self):
        name = self.one_of("message/999/0/1", "release/4000000000", "evaluation/4000000000", "evaluation/00", "plan2", "secret", "coordinator.sqlite", "message/0/0/99", "../ca.key", "/etc/passwd")
        return "Download", [self.messages.DownloadRequest(name=name).SerializeToString()], None, {"unknown-document"}

    def unspeakable_document(self):
        name = self.one_of("", "a" * 300, "plan\0", "\n", "plan;rm", "ünïcode", "../ca.key ", "%2e%2e/ca.key")
        return "Download", [self.messages.DownloadRequest(name=name).SerializeToString()], None, {"malformed", "unknown-document"}

    def wrong_session(self):
        return "Upload", [self.header(key=self.key(session=os.urandom(16)))], None, \
            {"stage-closed", "state:superseded", "malformed"}

    def no_header(self):
        return "Upload", [self.one_of(b"", self.chunk(b"abc"))], None, {"malformed"}

    def unknown_method(self):
        return self.one_of("Train", "hello", "Enrol", "x" * 200), [self.bytes(0, 50)], None, {"unknown-method"}

    def wrong_version(self):
        version = self.one_of("0", "2", "-1", "99999999999999999999", "one", "")
        return "Poll", [b""], metadata(self.client.instance, version), {"unsupported-version", "malformed"}

    def wrong_instance(self):
        wrong = self.one_of(metadata(os.urandom(16)), metadata(os.urandom(15)), (("tacit-protocol", "1"),))
        return "Poll", [b""], wrong, {"superseded", "malformed"}

    def bad_statement(self):
        signed = (b"tacit/v1/partner-statement\n" + bytes([self.one_of(1, 2, 3, 4, 9)]) + os.urandom(16)
                  + struct.pack("<IQ", self.client.state["participant"], 1 << 40) + bytes(72) + os.urandom(64))
        return "Report", [self.messages.ReportRequest(statement=self.one_of(signed, signed[:-1], b"", b"x")).SerializeToString()], \
            None, {"malformed", "bad-signature", "wrong-task", "conflict"}

    def bad_request(self):
        return "RenewCertificate", [self.messages.RenewRequest(certificate_request=self.bytes(0, 9000)).SerializeToString()], None, \
            {"malformed", "too-large", "bad-signature"}

    def never_an_answer(self):
        # A whole, well-formed upload of something that is no message of this kind, of an attempt that is not open.
        data = self.bytes(1, 500)
        return "Upload", [self.header(data, key=self.key(round=self.random.randint(1 << 20, (1 << 32) - 1))), self.chunk(data)], None, \
            {"stage-closed", "malformed", "state:superseded", "state:refused", "too-large"}

    def garbage(self):
        # A whole upload under the open attempt's key: of a kind that this participant owes, with bytes that are no such message. Kind 1 is
        # left alone: a participant has one answer of each kind, and needs that one to say that it takes no part.
        data = self.bytes(1, 500)
        key = self.key(round=self.open[0], attempt=self.open[1], kind=self.random.randint(2, 8))
        return "Upload", [self.header(data, key=key), self.chunk(data)], None, \
            {"state:refused", "conflict", "malformed", "stage-closed", "state:superseded", "too-large"}

    STREAMS_IN = {"Upload"}
    STREAMS_OUT = {"Upload", "Download"}

    def send(self, method, requests, meta):
        """The outcome of one call: a reason, `state:…` for a final upload state, or what went wrong."""
        path, meta = f"/tacit.v1.Coordination/{method}", meta or self.client.metadata
        kind = ("stream" if method in self.STREAMS_IN else "unary") + "_" + ("stream" if method in self.STREAMS_OUT else "unary")
        call = getattr(self.client.channel, kind)(path)
        argument = iter(requests) if method in self.STREAMS_IN else requests[0]
        try:
            answer = call(argument, timeout=30, metadata=meta)
            last = list(answer)[-1:] if method in self.STREAMS_OUT else [answer]
        except grpc.RpcError as error:
            code, reason = refusal(error)
            return reason or f"no reason ({code}: {error.details()})"
        if method == "Upload" and last:
            state = self.messages.UploadState()
            state.ParseFromString(last[0])
            return f"state:{state.WhichOneof('phase')}"
        return "answered"

    def run(self, count, patient=0.5):
        """`patient`: share of calls before which a rate limit is waited out; the others flood."""
        outcomes, surprises = collections.Counter(), []
        pause_until = 0.0
        for number in range(count):
            kind = self.kinds[number % len(self.kinds)]
            method, requests, meta, allowed = kind()
            if self.random.random() < patient and time.time() < pause_until:
                time.sleep(max(0.0, pause_until - time.time()))
            outcome = self.send(method, requests, meta)
            if outcome == "rate-limited":
                pause_until = time.time() + 0.25
            outcomes[outcome] += 1
            if outcome not in allowed | self.ALWAYS:
                surprises.append(f"{kind.__name__} ({method}): {outcome}, expected {' or '.join(sorted(allowed))}")
        # An upload's final state is an answer; every other refusal is a status with a reason.
        settled = outcomes["state:refused"] + outcomes["state:superseded"]
        refused = sum(number for outcome, number in outcomes.items() if re.fullmatch(r"[a-z-]+", outcome) and outcome != "answered")
        return {"sent": count, "refused": refused, "settled": settled, "outcomes": dict(sorted(outcomes.items())),
                "surprises": len(surprises), "examples": sorted(set(surprises))[:20]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=pathlib.Path, required=True)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("enrol").add_argument("token")
    commands.add_parser("consent")
    commands.add_parser("take-part").add_argument("--rounds", type=int, default=1)
    commands.add_parser("evaluation")
    fuzz = commands.add_parser("fuzz")
    fuzz.add_argument("--count", type=int, default=10_000)
    fuzz.add_argument("--seed", type=int, default=1)
    fuzz.add_argument("--await-round", action="store_true", help="begin when an attempt is open")
    fuzz.add_argument("--patient", type=float, default=0.5)
    arguments = parser.parse_args()
    proto = stubs()
    if arguments.command == "enrol":
        result = enrol(arguments.home, arguments.token, proto)
    else:
        client = Client(arguments.home, proto)
        if arguments.command == "take-part":
            result = client.take_part(arguments.rounds)
        elif arguments.command == "evaluation":
            result = evaluations(client)
        else:
            hello = client.hello()
            if arguments.command == "consent":
                result = {"plan": sha256(client.consent()).hex(), "task": hello.task}
            else:
                while arguments.await_round and not client.poll(wait=1000).envelopes:
                    pass
                result = Fuzzer(client, arguments.seed).run(arguments.count, arguments.patient)
    print(json.dumps(result))
    return 1 if result.get("surprises") else 0


if __name__ == "__main__":
    sys.exit(main())
