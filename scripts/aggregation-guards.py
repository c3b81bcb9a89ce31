#!/usr/bin/env python3
"""Takes the guards of secure aggregation out, one after another, and prints which test turns red.

    scripts/aggregation-guards.py --list | --check
    scripts/aggregation-guards.py [--together] [NUMBER ...]         all of them, or those with these numbers

Copies the pure targets and their tests into a package of its own (a minute to build), changes the source of one guard, builds, runs
the tests, and goes on with the next. --together takes guards with different tests out at once: faster, and still one test for each.
Exit code 1 when a guard can be taken out and its test stays green. The list below is the one of docs/guards-aggregation.md.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TARGETS = ["CSystemCrypto", "CVectorKernels", "CryptoPrimitives", "SecureAggregation"]
MANIFEST = """// swift-tools-version: 6.2
import PackageDescription
let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]
let package = Package(name: "guards", targets: [
  .systemLibrary(name: "CSystemCrypto"), .target(name: "CVectorKernels"),
  .target(name: "CryptoPrimitives", dependencies: ["CSystemCrypto"], swiftSettings: settings),
  .target(name: "SecureAggregation", dependencies: ["CryptoPrimitives", "CVectorKernels"], swiftSettings: settings),
  .testTarget(name: "SecureAggregationTests", dependencies: ["CryptoPrimitives", "SecureAggregation"], swiftSettings: settings),
])
"""

CLIENT, SERVER, GRAPH = "Client/", "Aggregator/", "Graph/"
# Explores attempts of four as well when TACIT_EXPLORE=long, which the first of its guards needs; the others' tests run without it.
EXPLORER = "In no state does a lying coordinator open both secrets of a peer, a small sum, or two survivor sets"
# What is guarded; file; what stands there; what the attacker would like; the test that must turn red.
GUARDS = [
    ("holders are drawn by private coins, not from what the server or others say", CLIENT + "ClientShareKeys.swift",
     "let draw = HolderDraw(count, for: setting.participant, of: setting.parameters.participants, random: &random)",
     "var known = KeyedRandomSource(key: setting.keys.advertisementsHash(list.advertisements, parameters: setting.parameters).bytes)\n"
     "    let draw = HolderDraw(count, for: setting.participant, of: setting.parameters.participants, random: &known)",
     "A server that tries who is in, and corrupt ones that try keys, do not move one holder of an honest client"),
    ("every other participant is drawn equally often, oneself never", GRAPH + "AggregationGraph.swift",
     "let index = Int(random.uniform(below: UInt64(participants.count - 1)))",
     "let index = Int(max(random.uniform(below: UInt64(participants.count - 1)), random.uniform(below: 3)))",
     "Draws are uniform: every other participant is drawn equally often, in every place, and never oneself"),
    ("a dealer of whom fewer than t holders advertised deals nothing", CLIENT + "ClientShareKeys.swift",
     "guard ids.count >= setting.parameters.threshold else { throw ClientRefusal(.tooFewHolders) }", "",
     "A client of whose holders fewer than t advertised deals nothing"),
    ("a client of whose holders fewer than t contribute sends no input", CLIENT + "ClientMaskedInput.swift",
     "guard holders.ids.count(where: present.contains) >= setting.parameters.threshold else {", "guard true else {",
     "A client of whose holders fewer than t are said to contribute hands over no input"),
    ("a client of whose holders fewer than t survive signs nothing", CLIENT + "ClientConsistencyCheck.swift",
     "guard set.survivors.count(where: ownHolders.contains) >= setting.parameters.threshold else {", "guard !ownHolders.isEmpty else {",
     "A server that lets all mask peers of one client drop out, to be alone with it, gets no signature of it"),
    ("only signatures of a client's own holders count", CLIENT + "ClientUnmask.swift",
     "guard entry.participant == setting.participant || ownHolders?.contains(entry.participant) ?? true else {", "guard true else {",
     "Signatures of others than its own holders open nothing, however many there are"),
    ("a client's own signature is none of the t", CLIENT + "ClientUnmask.swift",
     "(ownHolders == nil ? 0 : 1)", "0",
     "Signatures of others than its own holders open nothing, however many there are"),
    ("holders' advertisements are signed by their identities", CLIENT + "ClientShareKeys.swift",
     "for holder in holders.advertisements { try setting.checkSignature(of: holder) }", "",
     "An advertisement that is not signed is noticed by those who drew its sender, before they deal to it"),
    ("whether a mask is shared is under the dealer's signature", "ShareHasher.swift",
     "if let sharesMask { leaf.append(UInt8(sharesMask ? 1 : 0)) }", "",
     "A server that changes what a dealer said of the graph is refused"),
    ("contributors have advertised", CLIENT + "ClientMaskedInput.swift",
     "if let stranger = list.firstStranger(among: contributors) {", "if let stranger = list.firstStranger(among: []) {",
     "Deliveries with a stranger, without oneself, out of order or with too few are refused"),
    ("a client is a contributor itself", CLIENT + "ClientMaskedInput.swift",
     "guard present.contains(setting.participant) else { throw ClientRefusal(.ownSharesChanged) }", "",
     "Deliveries with a stranger, without oneself, out of order or with too few are refused"),
    ("all who sign agree on who contributed", "KeyDerivation.swift",
     "fields.append(UInt32(contributors.count))\n    for contributor in contributors { fields.append(contributor.rawValue) }", "",
     "Different sets of contributors for two clients lead to different transcripts, and no share of the misled is opened"),
    ("a host learns only of those whose signature was checked", CLIENT + "ClientSession.swift",
     "verifiedAdvertisers = Set(step.next.holders.ids)", "verifiedAdvertisers = Set(list.advertisements.map(\\.participant))",
     "A client vouches for the ledgers of those only whose signature it has checked"),
    ("a dealer shares masks with at most m", SERVER + "AggregatorShareKeys.swift",
     "&& entries.count { $0.sharesMask } <= maskDraws", "&& maskDraws > 0",
     "The server refuses deals to oneself, to the absent, to too many or too few, and with too many masks"),
    ("a dealer whose secrets could not be opened is left out", SERVER + "AggregatorShareKeys.swift",
     "if stranded.isEmpty { return present.sorted() }", "return present.sorted()",
     "A dealer of whom too few holders are left when shares are handed out is left out, and the others go on"),
    ("a stage is not closed before everybody's secrets can be opened", SERVER + "AggregatorShareKeys.swift",
     "(holders[dealer]?.ids.count { present.contains($0) } ?? 0) >= threshold", "dealer.rawValue > 0",
     "Whoever leaves at whichever stage, the attempt ends with the plain sum of the survivors or with an abort"),
    ("a missing participant's masks come off where they were put on, and nowhere else", SERVER + "AggregatorUnmask.swift",
     "for survivor in survivors where maskPeers?.contains(survivor) ?? true {", "for survivor in survivors {",
     "Suites, rings and thread counts make no difference to the sum"),
    ("more than half of the holders open a secret", GRAPH + "AggregationGraph.swift",
     "guard threshold >= 2, 2 * threshold > holders, threshold <= holders else {", "guard threshold >= 2, threshold <= holders else {",
     "Parameters of a drawn graph that protect too little or cannot work are refused with a sentence"),
    ("both secrets: 2t − k exceeds the corrupt holders", GRAPH + "DrawnGraphSolver.swift",
     "isLying ? (corruptMost + holders) / 2 + 1 : corruptMost + 1", "corruptMost + 1",
     "The drawn graph's k, m and t are those of the independent computation with big integers"),
    ("signatures are on the survivors that this client was told", CLIENT + "ClientUnmask.swift",
     "guard try setting.identity(of: entry.participant).verifies(entry.signature, of: signedBytes) else {",
     "guard try setting.identity(of: entry.participant) == setting.identity(of: entry.participant) else {", EXPLORER),
    ("one kind of share of each dealer is revealed", CLIENT + "ClientUnmask.swift",
     "entries.append(UnmaskResponse.Entry(dealer: dealer, kind: kind, share: share, salt: salt))",
     "entries.append(UnmaskResponse.Entry(dealer: dealer, kind: kind, share: share, salt: salt))\n"
     "      let other: SecretKind = kind == .selfMask ? .maskSeed : .selfMask\n"
     "      if let (share, salt) = SharePair.reveal(other, of: pair) {\n"
     "        entries.append(UnmaskResponse.Entry(dealer: dealer, kind: other, share: share, salt: salt))\n      }", EXPLORER),
    ("a mask is shared with those who drew the participant, too", SERVER + "AggregatorShareKeys.swift",
     "return Set(drawn.filter { holders[$0] != nil }).union(drawnBy.map(\\.dealer))", "return Set(drawn.filter { holders[$0] != nil })",
     "Whoever leaves at whichever stage, the attempt ends with the plain sum of the survivors or with an abort"),
    # What both graphs have in common
    ("advertisements are signed by the enrolled", CLIENT + "ClientSession.swift",
     "guard try identity(of: sender).verifies(advertisement.signature, of: advertisement.signedBytes) else {",
     "guard try identity(of: sender) == identity(of: sender) else {",
     "A server in the middle that swaps a peer's keys is refused by everybody"),
    ("a message is of this attempt", CLIENT + "ClientSession.swift",
     "guard context == self.context else { throw ClientRefusal(.wrongContext) }",
     "guard context.session == self.context.session else { throw ClientRefusal(.wrongContext) }",
     "Signatures of an earlier attempt are refused"),
    ("lists ascend, everybody in them once", CLIENT + "ClientSession.swift",
     "if let previous, previous >= participant { throw ClientRefusal(.notAscending) }",
     "if let previous, previous > participant, previous == participant { throw ClientRefusal(.notAscending) }",
     "Advertisements out of order or listed twice are refused"),
    ("a client is listed as it advertised itself", CLIENT + "ClientShareKeys.swift",
     "guard list.advertisement(of: own.participant) == own else {",
     "guard list.advertisement(of: own.participant) != nil else {",
     "A client whose own advertisement is left out or replaced by a clone's notices"),
    ("a cohort below n_min is refused before a share is dealt", CLIENT + "ClientShareKeys.swift",
     "guard list.advertisements.count >= setting.parameters.fewestContributors else {",
     "guard !list.advertisements.isEmpty else {",
     "A cohort below the plan's threshold or n_min is refused by the clients themselves"),
    ("one version of the protocol", CLIENT + "ClientShareKeys.swift",
     "guard advertisement.version == KeyAdvertisement.currentVersion else {",
     "guard advertisement.version < .max else {",
     "Another version or suite is refused, and relabelling breaks the signature"),
    ("deals are signed, for this list of advertisements", CLIENT + "ClientMaskedInput.swift",
     "guard try setting.identity(of: dealer).verifies(entry.signature, of: signed) else {",
     "guard try setting.identity(of: dealer) == setting.identity(of: dealer), !signed.isEmpty else {",
     "A forged root is refused, and so is a root signed for another list of advertisements"),
    ("a share lies under its dealer's root", CLIENT + "ClientMaskedInput.swift",
     "guard MerkleTree.root(leaf: leaf, index: leafIndex, leafCount: leafCount, path: entry.path) == entry.root",
     "guard MerkleTree.root(leaf: leaf, index: leafIndex, leafCount: leafCount, path: entry.path) != .zero",
     "A server that changes a delivered share is refused, and no dealer is blamed"),
    ("shares are elements of the field", CLIENT + "ClientMaskedInput.swift",
     "guard SharePair.isCanonical(pair) else { throw ClientRefusal(.sharesNotCanonical, suspects: [dealer]) }",
     "",
     "Shares with an element outside the field end the attempt for their holder"),
    ("shares are those that the dealer committed to", CLIENT + "ClientMaskedInput.swift",
     "guard commitment == (kind == .selfMask ? entry.selfMaskCommitment : entry.maskSeedCommitment) else {",
     "guard commitment != .zero else {",
     "Shares that are not the committed ones end the attempt for their holder"),
    ("a client's own deal comes back unchanged", CLIENT + "ClientMaskedInput.swift",
     "guard entry.root == ownRoot else { throw ClientRefusal(.ownSharesChanged) }",
     "",
     "A delivery that leaves a client's own deal out, changes it or adds an unknown dealer is refused"),
    ("a cohort below n_min gets no input", CLIENT + "ClientMaskedInput.swift",
     "guard delivery.entries.count >= setting.parameters.fewestContributors else {",
     "guard !delivery.entries.isEmpty else {",
     "Deliveries out of order, with a dealer twice or with too few dealers are refused"),
    ("survivors shared keys", CLIENT + "ClientConsistencyCheck.swift",
     "guard set.survivors.allSatisfy(known.contains) else {",
     "guard !set.survivors.isEmpty || known.isEmpty else {",
     "A survivor set with somebody who shared no keys is not signed"),
    ("whoever signs a survivor set is in it", CLIENT + "ClientConsistencyCheck.swift",
     "guard set.survivors.contains(setting.participant) else {",
     "guard !set.survivors.isEmpty else {",
     "A survivor set that leaves the client out is not signed"),
    ("no sum of fewer than n_min is signed", CLIENT + "ClientConsistencyCheck.swift",
     "guard set.survivors.count >= setting.parameters.fewestContributors else {",
     "guard !set.survivors.isEmpty else {",
     "A survivor set below n_min or below t is not signed"),
    ("t signatures open a share", CLIENT + "ClientUnmask.swift",
     "guard witnesses >= setting.parameters.threshold else {",
     "guard witnesses > 0 else {",
     "Fewer than t signatures open nothing"),
    ("one message of each in a stage", SERVER + "AggregatorSession.swift",
     "guard !hasAnswered(sender) else { return .duplicate }",
     "",
     "A repeated vector counts once, and a vector over another's connection not at all"),
    ("a message comes over its sender's connection", SERVER + "AggregatorSession.swift",
     "guard message.participant == sender else { return .wrongSender }",
     "",
     "The server takes an advertisement from its owner's connection only, once, and from the enrolled only"),
    ("a key of small order is kept out", SERVER + "AggregatorAdvertiseKeys.swift",
     "guard !message.channelPublicKey.isSmallOrder, !message.maskPublicKey.isSmallOrder else {",
     "guard message.version > 0 else {",
     "A key of small order is kept out by an honest server and refused behind a lying one"),
    ("a deal has the root that was signed", SERVER + "AggregatorShareKeys.swift",
     "guard deal.isRooted(leaves) else { return .wrongRoot }",
     "",
     "The server refuses shares for the wrong holders, under a wrong root or with a wrong signature"),
    ("a revealed share is the one committed to", SERVER + "AggregatorUnmask.swift",
     "guard commitment == inputs.graph.commitment(held, entry.kind) else {",
     "guard commitment != .zero else {",
     "A holder that lies about a share is named, and the sum is right without it"),
    ("a response has the kinds that were asked for", SERVER + "AggregatorUnmask.swift",
     "message.entries.allSatisfy({ $0.kind == (alive.contains($0.dealer) ? .selfMask : .maskSeed) })",
     "!alive.isEmpty",
     "A response with the wrong kind of share, a dealer missing, twice or out of order is refused"),
    ("an opened self-mask seed is the one committed to", SERVER + "AggregatorUnmask.swift",
     "guard keys.seedCommitment(.selfMask, seed: seed, of: dealer) == advertisement.selfMaskCommitment else {",
     "guard keys.seedCommitment(.selfMask, seed: seed, of: dealer) != .zero else {",
     "A dealer whose shares open another self-mask seed than it committed to is named, and nobody else"),
    ("an opened mask seed gives the key that was advertised", SERVER + "AggregatorUnmask.swift",
     "guard maskKey.publicKey == advertisement.maskPublicKey else { return nil }",
     "",
     "A dealer whose mask key or seed commitment is not its seed's is named when it drops"),
    ("plan, model and ledger are in every key and signature", "CanonicalEncoding.swift",
     "    append(context.binding)\n",
     "",
     "Partners who were given different models or plans do not finish a round"),
]


def prepare(folder):
    os.makedirs(os.path.join(folder, "Sources"), exist_ok=True)
    for target in TARGETS:
        shutil.copytree(os.path.join(ROOT, "Sources", target), os.path.join(folder, "Sources", target), dirs_exist_ok=True)
    shutil.copytree(os.path.join(ROOT, "Tests", "SecureAggregationTests"), os.path.join(folder, "Tests", "SecureAggregationTests"),
                    dirs_exist_ok=True)
    shutil.copytree(os.path.join(ROOT, "Protocols"), os.path.join(folder, "Protocols"), dirs_exist_ok=True)
    with open(os.path.join(folder, "Package.swift"), "w") as file:
        file.write(MANIFEST)


def red_tests(folder, explores):
    """Names of the tests that failed; None when it does not build.

    explores: whether to look through the attempts of four as well, which takes minutes."""
    build = subprocess.run(["swift", "build", "-c", "release", "--build-tests", "--package-path", folder], capture_output=True, text=True)
    if build.returncode:
        return None, "\n".join(line for line in (build.stdout + build.stderr).splitlines() if "error:" in line)
    # A guard whose absence lets a test run for ever counts as red by what failed until then.
    run = subprocess.run(["timeout", "600", "swift", "test", "-c", "release", "--skip-build", "--package-path", folder],
                         capture_output=True, env={**os.environ, "SWIFT_BACKTRACE": "enable=no", "TACIT_EXPLORE": "long" if explores else "short"})
    text = (run.stdout + run.stderr).decode("utf-8", "replace")
    red = set(re.findall(r'✘ Test "(.*?)" (?:recorded|failed|with)', text))
    if "Test run with" not in text:
        # The run was ended from inside: by a test that was under way.
        begun = set(re.findall(r'◇ Test "(.*?)" started', text))
        red |= begun - set(re.findall(r'[✔✘➜] Test "(.*?)" (?:with \d+ test cases? )?(?:passed|failed|skipped)', text))
    return red, text


def source(name):
    return os.path.join("Sources", "SecureAggregation", name)


def unfit():
    """What is wrong with the list as the tree stands: nothing is changed."""
    faults = []
    tests = {}
    for number, (what, name, old, new, test) in enumerate(GUARDS, 1):
        try:
            with open(os.path.join(ROOT, source(name))) as file:
                found = file.read().count(old)
        except OSError as error:
            faults.append("%2d. %s: %s" % (number, what, error))
            continue
        if found != 1:
            faults.append("%2d. %s: found %d times in %s, expected once: %s" % (number, what, found, source(name), old))
        if old == new:
            faults.append("%2d. %s: changes nothing" % (number, what))
        tests.setdefault(test, number)
    texts = ""
    for folder, _, names in os.walk(os.path.join(ROOT, "Tests", "SecureAggregationTests")):
        for name in names:
            if name.endswith(".swift"):
                with open(os.path.join(folder, name)) as file:
                    texts += file.read()
    for test, number in tests.items():
        if test not in texts:
            faults.append("%2d. no test is called: %s" % (number, test))
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", nargs="*", type=int, metavar="NUMBER", help="which guards; all of them when none is named")
    parser.add_argument("--together", action="store_true", help="guards with different tests and files at once")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--check", action="store_true", help="only look whether every text stands in its file once, and every test is there")
    arguments = parser.parse_args()
    for number in arguments.numbers:
        if not 1 <= number <= len(GUARDS):
            parser.error("there is no guard %d; expected 1 to %d" % (number, len(GUARDS)))
    if arguments.list:
        for number, guard in enumerate(GUARDS, 1):
            print("%2d. %s  (%s)" % (number, guard[0], source(guard[1])))
        return
    faults = unfit()
    if faults:
        sys.exit("\n".join(faults))
    if arguments.check:
        print("%d guards stand where the list says" % len(GUARDS))
        return
    together = arguments.together
    numbers = arguments.numbers or range(1, len(GUARDS) + 1)
    chosen = [(n, GUARDS[n - 1]) for n in numbers]
    folder = os.environ.get("GUARDS_FOLDER") or tempfile.mkdtemp(prefix="guards-")
    prepare(folder)
    red, log = red_tests(folder, any(guard[4] == EXPLORER for _, guard in chosen))
    if red is None or red:
        sys.exit("the tests are not green before any guard is taken out: %s" % (red or log))
    groups, left = [], list(chosen)
    while left:
        group, tests = [], set()
        for item in list(left):
            if not group or (together and item[1][4] not in tests and not any(item[1][1] == g[1][1] for g in group)):
                group.append(item)
                tests.add(item[1][4])
                left.remove(item)
        groups.append(group)
    failures = 0
    while groups:
        group = groups.pop(0)
        originals = {}
        for _, (_, name, old, new, _) in group:
            path = os.path.join(folder, source(name))
            with open(path) as file:
                text = file.read()
            if text.count(old) != 1:
                sys.exit("%s: found %d times, expected once: %s" % (name, text.count(old), old))
            originals[path] = text
            with open(path, "w") as file:
                file.write(text.replace(old, new))
        red, log = red_tests(folder, any(guard[4] == EXPLORER for _, guard in group))
        for number, (what, name, old, new, test) in group:
            if len(group) > 1 and (red is None or test not in red):
                # What else was taken out may have ended the run, or hidden this one: once more by itself.
                groups.append([(number, (what, name, old, new, test))])
                continue
            if red is None:
                verdict = "DOES NOT BUILD: " + log[:400]
            else:
                verdict = ("red: " + test) if test in red else "STAYS GREEN: %s (red: %s)" % (test, sorted(red) or "nothing")
            failures += not verdict.startswith("red")
            print("%2d. %s\n    %s" % (number, what, verdict), flush=True)
        for path, text in originals.items():
            with open(path, "w") as file:
                file.write(text)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
