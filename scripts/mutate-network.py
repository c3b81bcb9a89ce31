#!/usr/bin/env python3
"""Takes guards of the network out and looks which test falls (docs/guards-network.md).

    scripts/mutate-network.py --list
    scripts/mutate-network.py [NAME ...]        all of them, or those whose name contains one of the words

Each mutation is one exact piece of a source file, what stands there instead, and the test that must turn red. A build is expensive, so
that mutations with different tests go into one build; should two of them meet, run the one in question alone. Sources are put back
whatever happens. The result is 1 when a mutation survived.
"""
import argparse
import os
import re
import signal
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = ["swift", "build", "-c", "release", "--product"]
TEST = ["swift", "test", "-c", "release", "--skip-build", "--filter"]

# name, file, old, new, suite, the test (a part of its name)
MUTATIONS = [
    # Budgets and charges
    ("what linked ledgers hold is added", "Sources/FederatedLearning/Ledger/SpendingCap.swift",
     "return epsilon(of: own + elsewhere.flatMap(\\.standing), firsts:", "return epsilon(of: own, firsts:",
     "LinkedCapTests", "a group is never counted for less"),
    ("divergences of a cap have one order", "Sources/FederatedLearning/Ledger/SpendingCap.swift",
     "orders.map { RenyiAccountant(orders: [$0]).upperEpsilon(summary, delta: delta) }.max() ?? .infinity",
     "orders.isEmpty ? .infinity : RenyiAccountant().upperEpsilon(summary, delta: delta)",
     "AdaptiveSwitchTests", "whichever plan a result chooses as the second one"),
    ("a group has the orders of all first plans", "Sources/FederatedLearning/Ledger/SpendingCap.swift",
     "orders.map { RenyiAccountant(orders: [$0]).upperEpsilon(summary, delta: delta) }.max() ?? .infinity",
     "orders.map { RenyiAccountant(orders: [$0]).upperEpsilon(summary, delta: delta) }.min() ?? .infinity",
     "LinkedCapTests", "a group is never counted for less"),
    ("a plan of several kinds has one order", "Sources/FederatedLearning/Ledger/SpendingCap.swift",
     "order(within: first).map { RenyiAccountant(orders: [$0]).upperEpsilon(summary, delta: cap.delta) } ?? .infinity",
     "order(within: first).map { _ in RenyiAccountant().upperEpsilon(summary, delta: cap.delta) } ?? .infinity",
     "AdaptiveSwitchTests", "further attempts at a plan of several kinds"),
    ("the exact curve is for Gaussian first plans", "Sources/FederatedLearning/Ledger/SpendingCap.swift",
     "return gaussians == firsts.count && summary", "return gaussians <= firsts.count && summary",
     "LinkedCapTests", "the exact curve is closed for good"),
    # The first cap's order
    ("a changed cap keeps the first one's order: second plans", "Sources/FederatedLearning/Ledger/SpendingCap.swift",
     "Set(firsts.compactMap { $0.order(within: first) })", "Set(firsts.compactMap { $0.order(within: budget) })",
     "AdaptiveSwitchTests", "a cap that is changed keeps the order of the first one"),
    ("a changed cap keeps the first one's order: one plan", "Sources/FederatedLearning/Ledger/SpendingCap.swift",
     "epsilon(of: summary, within: budget, order: first)", "epsilon(of: summary, within: budget, order: budget)",
     "AdaptiveSwitchTests", "a cap that is changed keeps the order of the first one"),
    ("an engine begins with the first cap", "Sources/FederatedLearning/Round/PartnerEngine.swift",
     "SpendingCap($0, first: firstCap, plans: plans)", "SpendingCap($0, first: nil, plans: plans)",
     "AdaptiveSwitchTests", "a partner judges its cap at the order of the first one"),
    ("an engine keeps the first cap", "Sources/FederatedLearning/Round/PartnerEngine.swift",
     "SpendingCap($0, first: first, plans: plans)", "SpendingCap($0, first: nil, plans: plans)",
     "AdaptiveSwitchTests", "a partner judges its cap at the order of the first one"),
    ("a home remembers the first cap", "Client/Service/Host/PartnerNotes.swift",
     "try store.keep(firstCap: cap, of: task.ledgerName)", "try Task.checkCancellation()",
     "BudgetTests", "the cap under which a ledger was first charged is remembered"),
    ("a home that was killed before it noted the first cap notes it", "Client/Service/Data/DataImporting.swift",
     "try store.keep(firstCap: known, of: record.ledger.name)", "_ = known",
     "BudgetTests", "a home that was killed after its first charge"),
    ("a task keeps the first cap of its ledger", "Client/Service/Host/ActiveTask.swift",
     "engine.setCap(cap, first: firstCap)", "engine.setCap(cap, first: nil)",
     "BudgetTests", "a home judges a changed cap at the order of the first one"),
    ("a review counts as the engine does", "Client/Service/Join/PlanReview.swift",
     "linked: linked[record.name], firstCap: record.firstCap)", "linked: linked[record.name], firstCap: nil)",
     "BudgetTests", "a home judges a changed cap at the order of the first one"),
    # Ledgers of simulations that outlive a run
    ("kept ledgers count the users that they began with", "Sources/tacit/Simulate/KeptLedgers.swift",
     "guard known[name] == Self.hash(of: users) else {", "guard known[name] != Self.hash(of: []) else {",
     "KeptLedgerTests", "A ledger counts people"),
    ("kept ledgers are of the partners that they began with", "Sources/tacit/Simulate/KeptLedgers.swift",
     "guard Set(known.keys) == here else {", "guard !here.isEmpty else {",
     "KeptLedgerTests", "The same people get no second budget"),
    ("a lost key is not made anew", "Sources/tacit/Simulate/KeptLedgers.swift",
     'for ending in ["key", "ledger", "head"] where', 'for ending in ["key", "ledger", "head"] where ending.isEmpty &&',
     "KeptLedgerTests", "A ledger counts people"),
    ("a ledger that was cut back", "Sources/tacit/Simulate/KeptLedgers.swift",
     "state?.isExtension(of: LedgerHead(size: size, head: hash)) == true",
     "state?.isExtension(of: LedgerHead(size: size, head: hash)) != nil",
     "KeptLedgerTests", "A ledger counts people"),
    ("charged ledgers say whom they count", "Sources/tacit/Simulate/KeptLedgers.swift",
     "if try charged.isEmpty && !isLost && files.contentsOfDirectory(atPath: plans).isEmpty { return nil }",
     "if isLost || !isLost { return nil }",
     "KeptLedgerTests", "A ledger counts people"),
    ("the cap over all runs is kept", "Sources/tacit/Simulate/KeptLedgers.swift",
     "let budget = told ?? state?.cap ?? own", "let budget = told ?? own",
     "KeptLedgerTests", "A second run counts the first one"),
    ("runs on the same ledgers have one delta", "Sources/tacit/Simulate/KeptLedgers.swift",
     "deltas.first(where: { $0 != own.delta })", "deltas.first(where: { $0 > own.delta })",
     "KeptLedgerTests", "The same people get no second budget"),
    ("one run at a time begins a folder", "Sources/tacit/Simulate/SimulationRun.swift",
     "let hold = try kept?.held()", "let hold = kept?.path",
     "KeptLedgerTests", "Two runs never begin one folder"),
    ("a charged ledger that nobody counts is refused", "Sources/tacit/Simulate/KeptLedgers.swift",
     "charged.first(where: { !listed.contains($0) })", "charged.first(where: { $0.isEmpty && !listed.contains($0) })",
     "KeptLedgerTests", "Two runs never begin one folder"),
    ("heads are written while a run goes on", "Sources/tacit/Simulate/SimulationRun.swift",
     "if let kept { try? Self.keepHeads(of: partners, in: kept) }", "_ = kept",
     "KeptLedgerTests", "What a killed run has charged stays charged"),
    ("who was in no sum of a plan has a sound ledger", "Sources/tacit/Verify/RunLedgers.swift",
     "(finding.isFault && !(finding.kind == .otherPlan && kind == .partner && isKept))", "finding.isFault || isKept && false",
     "KeptLedgerTests", "A run in which a partner was never charged"),
    ("a ledger is held to the cap that stands in it", "Sources/tacit/Verify/RunCharges.swift",
     "if all > own.epsilon * (1 + Self.tolerance) {", "if all.isNaN {",
     "KeptLedgerTests", "A run in which a partner was never charged"),
    ("nobody else believes a refund without proof", "Sources/FederatedLearning/Ledger/SpendingCap.swift",
     "standing(believingRefunds: believingRefunds)", "standing(believingRefunds: true)",
     "LedgerRefundTests", "t survivors who signed a set"),
    ("a partner's page shows what an audit found", "Sources/tacit/Commands/PartnerReport.swift",
     "privacy.audit = sealed?.privacy.audit", "privacy.audit = sealed == nil ? sealed?.privacy.audit : nil",
     "AuditCommandTests", "A fault is found, and is the exit code"),
    ("what an audit contradicts claims no bound", "Sources/Reporting/Claim.swift",
     "report.hazards.contains(where: { $0.kind == .auditContradicted })",
     "report.hazards.contains(where: { $0.kind == .auditContradicted && $0.text.isEmpty })",
     "ClaimTests", "A plan that an audit contradicts claims no bound"),
    ("a ledger's cap is at the delta of what it is charged for", "Sources/tacit/Verify/RunCharges.swift",
     ".first(where: { $0 != cap.delta })", ".first(where: { $0 != cap.delta && $0.isNaN })",
     "KeptLedgerTests", "A run in which a partner was never charged"),
    ("what an audit contradicts is sound for no machine", "Sources/tacit/Verify/VerifyCommand.swift",
     "isSound: !verification.findings.isContradicted,", "isSound: true,",
     "AuditCommandTests", "A fault is found, and is the exit code"),
    ("what an audit was held against is recomputed", "Sources/tacit/Verify/ReportComparison.swift",
     "if audit.delta != bound.delta || abs((audit.epsilonProven ?? 0) - bound.epsilon) > bound.epsilon * 1e-6 {",
     "if audit.delta != bound.delta {",
     "LyingFormsTests", "What an audit is said to have been held against"),
    ("what an audit shows is the most of its attacks", "Sources/tacit/Verify/ReportComparison.swift",
     "if audit.epsilonLower != lower {", "if audit.epsilonLower > lower {",
     "LyingFormsTests", "What an audit is said to have been held against"),
    ("a search and its run do not share a folder", "Sources/tacit/Tune/TuneCommand.swift",
     "guard told.output == nil || simulation.output != nil else {", "guard told.output != \"\" else {",
     "TuneTests", "A file may not set what the search"),
    ("the run that a search proposes trains on all items", "Sources/tacit/Tune/TuneCommand.swift",
     "guard !told.validation else {", "guard !told.validation || told.validation else {",
     "TuneTests", "A file may not set what the search"),
    ("a key file is whole when it has its name", "Sources/Storage/KeyFile.swift",
     "    try file.write(content)\n    try file.synchronize()\n    guard link(draft, path) == 0 else {",
     "    guard link(draft, path) == 0 else { return }\n    try file.write(content)\n    try file.synchronize()\n    guard !path.isEmpty else {",
     "KeyFileTests", "a key that cannot be written whole"),
    ("no run's folder lies among the ledgers", "Sources/tacit/Simulate/KeptLedgers.swift",
     "guard !run.hasPrefix(kept), !kept.hasPrefix(run) else {", "guard !run.isEmpty || !kept.isEmpty else {",
     "KeptLedgerTests", "The same people get no second budget"),
    ("a total is of all that was charged", "Sources/CommandSupport/SpendReading.swift",
     "ledgers.filter(isKept).map { state in", "ledgers.filter(isKept).reversed().suffix(0).map { state in",
     "KeptLedgerTests", "A second run counts the first one"),
    ("audits are not counted by ledgers", "Sources/tacit/Audit/AuditCommand.swift",
     "guard settings.ledgers == nil else {", "guard settings.ledgers != \"\" else {",
     "KeptLedgerTests", "The same people get no second budget"),
    ("runs without noise are not counted with others", "Sources/tacit/Simulate/KeptLedgers.swift",
     'guard settings.noise != "none" else {', 'guard settings.noise != "nothing" else {',
     "KeptLedgerTests", "The same people get no second budget"),
    ("runs with test randomness are not counted with others", "Sources/tacit/Simulate/KeptLedgers.swift",
     "guard !settings.insecureTestRandomness else {", "guard !settings.noise.isEmpty else {",
     "KeptLedgerTests", "The same people get no second budget"),
    ("a run that does not fit charges nothing", "Sources/tacit/Simulate/KeptLedgers.swift",
     "guard !cap.holds(needed) else { return }", "guard cap.holds(needed) || needed.isNaN else { return }",
     "KeptLedgerTests", "A second run counts the first one"),
    ("a cap before the first charge is the first one", "Sources/FederatedLearning/Ledger/LedgerState.swift",
     "if charges.isEmpty { firstCap = cap }", "firstCap = cap",
     "CapNoteTests", "the cap before the first charge"),
    ("kept ledgers keep the first cap's order", "Sources/tacit/Simulate/KeptLedgers.swift",
     "first: state?.firstCap, plans: plans)", "first: nil, plans: plans)",
     "KeptLedgerTests", "A later run is judged at the order of the first cap"),
    ("what is seen of a linked ledger is durable", "Client/Service/Home/LedgerGroup.swift",
     "where group.count > 1 && HomeFile.exists(place.path) { try synchronize(place.path) }",
     "where group.isEmpty && HomeFile.exists(place.path) { try synchronize(place.path) }",
     "LinkTests", "what a disk has lost when it was made durable"),
    ("a beginning that was verified is the same bytes", "Client/Service/Home/LedgerGroup.swift",
     "bytes[..<known.count].withUnsafeBytes({ SHA256.hash($0) }) == known.hash ? known : nil",
     "known.hash.bytes.count == 32 ? known : nil",
     "LinkTests", "of a linked ledger that has grown"),
    ("one plan on two ledgers is not linked", "Client/Service/Data/Linking.swift",
     "if isNew { try refuseCommonPlans(own, target) }", "",
     "LinkTests", "ledgers that one plan was charged to"),
    ("two homes do not charge at once", "Client/Service/Home/LedgerLinks.swift",
     "while flock(file, LOCK_EX | LOCK_NB) != 0 {", "while flock(file, LOCK_EX | LOCK_NB) == .max {",
     "LinkTests", "of two homes that charge at once"),
    ("a linked ledger is what was seen of it", "Client/Service/Home/LedgerGroup.swift",
     "guard known.allSatisfy({ state.isExtension(of: $0) }) else {", "guard known.count < 99 else {",
     "LinkTests", "a linked ledger that cannot be counted"),
    ("a restored home is missed by its group", "Client/Service/Home/LedgerGroup.swift",
     "for (place, known) in group.sorted(by: { $0.key < $1.key }) {",
     "for (place, known) in group.sorted(by: { $0.key < $1.key }) where place == own {",
     "LinkTests", "a home that was restored from a backup, links and all"),
    ("the engine asks linked ledgers", "Client/Service/Host/ActiveTask.swift",
     "linked: group,", "linked: nil,",
     "LinkTests", "a home refuses by itself what another home"),
    ("a review counts linked ledgers", "Client/Service/Join/PlanReview.swift",
     "      let elsewhere = linked?.charged ?? .nothing\n      return SpendingCap",
     "      let elsewhere = ChargedElsewhere.nothing\n      return SpendingCap",
     "LinkTests", "review, accept, listing and status"),
    ("no other plan where the first is lost: accept", "Client/Service/Join/Joining.swift",
     "first(where: { $0.dataSet == record.name })?.objection {",
     "first(where: { $0.dataSet == record.name && $0.ledger.text == \"none\" })?.objection {",
     "LostHomeTests", "a ledger whose first plan is lost is charged for no other"),
    ("no other plan where the first is lost: run", "Client/Service/Host/ActiveTask.swift",
     "if plan.cap != nil, stored.end == nil,", "if plan.cap != nil, stored.end == \"never\",",
     "LostHomeTests", "a ledger whose first plan is lost is charged for no other"),
    ("no other plan where the first is lost: engine", "Sources/FederatedLearning/Ledger/SpendingCap.swift",
     "guard CapObstacle(firsts: firsts, plans: charges.map(\\.plan), partnersPerUser: units) == nil else",
     "guard units.count >= 0 else",
     "AdaptiveSwitchTests", "a second plan is counted with what the first one's cap leaves"),
    ("a plan tried in vain is charged again", "Client/Service/Join/PlanReview.swift",
     "case .aborted?: false", "case .aborted?: true",
     "BudgetTests", "a release that was tried in vain costs once more in the review"),
    ("an export behind its ledger is not whole", "Coordinator/Service/State/RunExport.swift",
     "} else if lostReleases > 0 {", "} else if lostReleases > 1000 {",
     "FaultTests", "Where the database is behind the ledger"),
    ("users of an older data set share its ledger", "Client/Service/Store/DataSetStore.swift",
     "guard let ledger = known.first else {", "guard let ledger = known.first(where: { _ in name.text.isEmpty }) else {",
     "BudgetTests", "the same users under a new name have the budget that they had"),
    ("a plan of which nothing fits the cap is not joined", "Client/Service/Join/Joining.swift",
     "least > cap.epsilon {", "least > cap.epsilon + 1e9 {",
     "BudgetTests", "the same users under a new name have the budget that they had"),
    ("a begun plan keeps its data set", "Client/Service/Join/Joining.swift",
     "    try refuseChange(to: record, of: review, in: store)\n", "",
     "BudgetTests", "a plan that has begun keeps its data set"),
    ("a masked input is a charge", "Coordinator/Service/Round/RoundMessages.swift",
     "case .aggregation(.maskedInput) = message, let shown {",
     "case .aggregation(.maskedInput) = message, let shown, shown.size == .max {",
     "ChargeWitnessTests", "a home of before its last charge is refused once its masked input is here"),
    ("a charged message is kept over hellos", "Client/Service/Host/PartnerUploads.swift",
     "failuresMax = 20", "failuresMax = 1",
     "PendingTests", "a charged masked input leaves after the next hello"),
    ("an upload is not tried for ever by itself", "Client/Service/Host/PartnerUploads.swift",
     "!isStopping, .now < end else", "!isStopping, .now < end + .seconds(86_400) else",
     "PendingTests", "a message that nobody takes does not keep a partner"),
    ("peers remember what was charged", "Sources/FederatedLearning/Round/PartnerRemembering.swift",
     "longer[signer] = peerLedgers[signer]?.afterCharge", "longer[signer] = peerLedgers[signer]",
     "PartnerJournalTests", "a peer that was set back to just before its last charge"),
    ("a peer shows the hash of its ledger", "Sources/FederatedLearning/Round/PartnerRemembering.swift",
     "guard head.head != .zero, peerLedgers", "guard head.size != .max, peerLedgers",
     "PartnerJournalTests", "a peer that shows no hash is refused"),
    ("local training draws from what both copies of a partner share", "Sources/FederatedLearning/Round/PartnerEngine.swift",
     "model: model, coins: KeyedRandomSource(key: root.bytes(32)))",
     "model: model, coins: KeyedRandomSource(key: { var system = SystemRandomSource(); return system.bytes(32) }()))",
     "PartnerJournalTests", "a partner whose memory was copied in the middle of an attempt sends the same bytes"),
    ("a ledger without a known hash is as long", "Sources/FederatedLearning/Ledger/LedgerState.swift",
     "known.head == .zero ? UInt64(size) >= known.size : isExtension(of: known)",
     "known.head == .zero || isExtension(of: known)",
     "CrashTests", "a home that was restored from just before its last charge is recognised"),
    ("the coordinator's word calls no home old", "Client/Service/Host/CoordinatorLine.swift",
     "        .untrusted,\n        \"the coordinator says", "        .rolledBack,\n        \"the coordinator says",
     "AttackTests", "a coordinator's word alone makes no home an old one"),
    # Identities
    ("a clone that was pushed out has an exit code of its own", "Client/Service/Host/CoordinatorLine.swift",
     "        .takenOver,\n", "        .superseded,\n",
     "AttackTests", "a second process with this identity ends the first"),
    ("its unit is not started again", "packaging/systemd/tacit-client.service",
     "RestartPreventExitStatus=4 5 64", "RestartPreventExitStatus=4 64",
     "SystemdUnitTests", "a partner that was pushed out by its clone"),
    ("a renewal is for the same identity", "Coordinator/Service/Store/Enrolments.swift",
     "guard known.name == name, known.verificationKey == verificationKey, known.isActive else",
     "guard known.name == name, known.isActive else",
     "RestoreTests", "a partner whose certificate ran out gets a new one when it is invited again, and nobody else does"),
    ("certificates that a backup does not know are taken for as long as one lasts", "Coordinator/Service/Store/RecoveryRecords.swift",
     "in: database), time < until else {", "in: database), time < until + 1_000_000_000 else {",
     "RestoreTests", "certificates that were renewed after the backup open the door"),
    ("the invited do not draw from what strangers use up", "Sources/Transport/Server/EnrolmentServer.swift",
     "if try await handler.isInvited(hash) { return try perInvitation.take(hash) }",
     "if try await handler.isInvited(hash) { try perInvitation.take(hash) }",
     "EnrolmentTests", "whoever holds an invitation enrols while strangers"),
    # Rotation and restoration
    ("the signing key on disk is the newest", "Coordinator/Service/State/KeyRotation.swift",
     "guard let newest = successions.last, newest.new != key.verificationKey else {",
     "guard let newest = successions.last, newest.new != key.verificationKey, newest.taskID.isEmpty else {",
     "RotationTests", "a backup of a rotation that was cut off holds the new key"),
    ("a backup holds the key of a rotation that was cut off", "Coordinator/Service/State/StateBackup.swift",
     "if manager.fileExists(atPath: folder.nextSigningKey) {", "if manager.fileExists(atPath: folder.nextSigningKey + \"-\") {",
     "RotationTests", "a backup of a rotation that was cut off holds the new key"),
    ("a restoration takes the lock of the folder", "Coordinator/Service/State/FolderLock.swift",
     "guard flock(file, kind | LOCK_NB) == 0 else {", "guard flock(file, kind | LOCK_NB) <= 0 else {",
     "BackupTests", "a folder whose lock another holds is not restored over"),
    ("an old key is not restored", "Coordinator/Service/State/StateBackup.swift",
     "guard known?.earlierKeys.contains(key.verificationKey) != true else {",
     "guard known?.earlierKeys.isEmpty != true || known != nil else {",
     "RestoreTests", "a backup from before a rotation of the signing key"),
    ("revocations are carried over", "Coordinator/Service/Store/RecoveryRecords.swift",
     "for partner in known?.partners ?? [] {", "for partner in known?.partners.filter(\\.isActive) ?? [] {",
     "RestoreTests", "a restoration undoes no revocation"),
    ("open invitations are withdrawn", "Coordinator/Service/Store/RecoveryRecords.swift",
     "UPDATE invitations SET withdrawnAt = ? WHERE participant IS NULL AND withdrawnAt IS NULL",
     "UPDATE invitations SET withdrawnAt = ? WHERE participant IS NULL AND withdrawnAt IS NOT NULL",
     "RestoreTests", "a token that was used after the backup does not enrol a second time"),
    ("numbers jump ahead", "Coordinator/Service/Store/RecoveryRecords.swift",
     "Int64(next) + 1000 + age", "Int64(next) + 0 * age",
     "RestoreTests", "a number that was given after the backup is never given again"),
    ("nobody begins to serve while a backup is restored", "Coordinator/Service/State/FolderLock.swift",
     "FolderUse(try exclusive(folder.path, of: folder))", "FolderUse(try exclusive(folder.ledgers, of: folder))",
     "BackupTests", "nobody begins to serve a folder while it is restored"),
    ("commands write nothing that a restoration undoes", "Coordinator/Command/Support/CoordinatorFailures.swift",
     "? try FolderUse.shared(folder) : nil", "? nil : try FolderUse.shared(folder)",
     "CoordinatorOperatingTests", "While a backup is restored no command writes"),
    ("no rotation while partners may be lost", "Coordinator/Service/State/KeyRotation.swift",
     "if !allAreBack, let since", "if !allAreBack, try store.successions().count > 9, let since",
     "RestoreTests", "after a restoration that may have lost partners the signing key stays"),
    # Homes
    ("the last plan of an earlier key is history", "Client/Service/Host/PartnerConversation.swift",
     "    if try isHistory(known, answer) { return }\n", "",
     "KeyTrustTests", "the last plan of the earlier key ends no daemon"),
    ("a lost ledger is named before data are counted", "Client/Service/Store/DataSetStore.swift",
     "      if !lost.isEmpty {\n", "      if lost.count > 9 {\n",
     "RenewalTests", "after its database was lost a home gives nobody a new budget"),
    ("a home whose database was lost asks for a word for good", "Client/Service/Store/DataSetStore.swift",
     "guard hasLostData != nil else", "guard hasLostData != nil, !lost.isEmpty else",
     "RenewalTests", "after its database was lost a home gives nobody a new budget"),
    ("new users are new", "Client/Service/Store/DataSetStore.swift",
     "      if let ledger = found.min() {\n", "      if let ledger = found.min(), ledger.isEmpty {\n",
     "RenewalTests", "after its database was lost a home gives nobody a new budget"),
    ("a copy of a ledger is no ledger", "Client/Service/Home/PartnerHome.swift",
     "return whole.starts(with: bytes) ? nil : name", "return whole.isEmpty ? nil : name",
     "RenewalTests", "a copy of a ledger beside it is no ledger of the home"),
    ("a leave is signed anew in an older copy", "Client/Service/Store/PartnerStore.swift",
     "guard hasLeft != nil, let leave", "guard hasLeft != nil, rows.count > 99, let leave",
     "RenewalTests", "an older copy of a home that leaves is heard"),
    ("a leave that was not taken is not known", "Client/Service/Join/Purging.swift",
     "!store.isLeaveTaken else", "!store.hasLeft || !store.unsentStatements().isEmpty else",
     "RenewalTests", "an older copy of a home that leaves is heard"),
    ("a plan of an earlier key ends who waits for one", "Client/Service/Host/PartnerConversation.swift",
     "if options.once, case .finished(let reason) = answer.state { return",
     "if options.once, case .finished(let reason) = answer.state, answer.planHash == nil { return",
     "KeyTrustTests", "the last plan of the earlier key ends no daemon"),
    ("what a restoration has lost stays lost", "Coordinator/Service/Store/RecoveryRecords.swift",
     "        ? known?.enrolmentsLostSince\n", "        ? nil\n",
     "RestoreTests", "after a restoration that may have lost partners the signing key stays"),
    ("a database that is older than the backup knows less", "Coordinator/Service/Store/RecoveryRecords.swift",
     "&& $0.newestBackup ?? 0 >= stamp", "&& $0.newestBackup ?? 0 >= 0 * stamp",
     "RestoreTests", "a database that is older than the backup does not say"),
    ("a standby does not serve with an old key", "Coordinator/Service/CoordinatorProcess.swift",
     "newest.new != state.signingKey.verificationKey {", "newest.new != state.signingKey.verificationKey, newest.taskID.isEmpty {",
     "RotationTests", "who stood by while the signing key was rotated"),
    ("an older copy signs nothing anew", "Client/Service/Store/PartnerStore.swift",
     "if try Self.hasConfirmed(in: database) {\n        let", "if try Self.hasConfirmed(in: database), rows.isEmpty {\n        let",
     "RenewalTests", "an older copy of a home does not undo what was stated last"),
    ("a claimed number leaves a home its numbers", "Client/Service/Store/PartnerStore.swift",
     "? own + Self.copiedMax : Self.lostMax", "? Self.lostMax : Self.lostMax",
     "RenewalTests", "a number that the coordinator makes up holds until its next hello"),
    ("the cap that refused decides", "Client/Service/Join/Joining.swift",
     "cap != refusal.cap, cap.epsilon >= refusal.cap.epsilon, cap.delta >= refusal.cap.delta",
     "try store.dataSet(name)?.cap.map({ $0.epsilon < cap.epsilon || $0.delta < cap.delta }) ?? false",
     "JoiningTests", "the own cap stops a plan that would spend more"),
    ("words of the coordinator bring no plan back", "Client/Service/Store/PlanStore.swift",
     "hash = ? AND isReplaced = 1", "hash = ? AND end LIKE 'replaced by %'",
     "JoiningTests", "a plan whose end the coordinator words as if"),
    # The coordinator's ledger, followed and countersigned
    ("a longer ledger of the coordinator is the one that was shown before", "Sources/FederatedLearning/Round/PartnerRemembering.swift",
     "guard heads.last == head else { return false }", "guard heads.isEmpty || heads.last == head else { return false }",
     "LedgerContinuationTests", "a coordinator that was set back and grew past what it showed is refused by everybody"),
    ("... through the head that was signed with the newest release", "Sources/FederatedLearning/Round/PartnerRemembering.swift",
     "return least == anchor || heads.contains(least)", "return least == anchor || !heads.isEmpty",
     "LedgerContinuationTests", "the head that was signed with a release has to lie on the way"),
    ("a start names the hash of the coordinator's ledger", "Sources/FederatedLearning/Round/PartnerRemembering.swift",
     "guard head.head != .zero else { return false }", "guard head.head != .zero || head.size > 0 else { return false }",
     "LedgerContinuationTests", "a start without records, with others', or with a head of zeros is refused"),
    ("what was shown is on disk before the advertisement", "Sources/FederatedLearning/Round/PartnerRemembering.swift",
     "    do { try journal.record(shownHead: head, session: session) } catch { return false }\n", "",
     "LedgerContinuationTests", "a start without records, with others', or with a head of zeros is refused"),
    ("records that do not come just now are no refusal", "Client/Service/Host/PartnerMessages.swift",
     "} catch TransportFailure.refused(.unknownDocument) {", "} catch {",
     "LedgerHeadTests", "records that cannot be fetched just now are fetched again"),
    ("the survivors' signatures are kept with the release", "Coordinator/Service/Round/RoundKeeping.swift",
     "witness: published.witness?.json.text)", "witness: nil)",
     "LedgerServiceTests", "an export holds the survivors' signatures of every release"),
    ("the signatures in a home are those of a threshold of partners", "Client/Service/Results/HomeVerification.swift",
     "signers >= needed, witness", "signers >= needed - 1, witness",
     "LedgerHeadTests", "verify checks the partners' signatures under the coordinator's head"),
    # Waiting
    ("a lease that is renewed is not taken", "Coordinator/Service/Store/Lease.swift",
     "      seen = Seen(token: token, expires: expires, since: now)\n      return false",
     "      seen = Seen(token: token, expires: expires, since: now)\n      return true",
     "ClockTests", "a standby whose clock is ahead takes no lease"),
    ("a clock that was set moves what is waited for", "Coordinator/Service/Round/RoundHost.swift",
     "    runner?.clockMoved(by: step)\n", "",
     "ClockTests", "a clock that is set forward ends no stage"),
    ("whoever brings a message of no plan need not wait", "Coordinator/Service/Round/RoundHost.swift",
     "    guard let runner, runner.isCurrent(key) else { return .settled(.superseded) }",
     "    guard let runner else { throw .unavailable(reason: \"stopping\") }\n    guard runner.isCurrent(key) else { return .settled(.superseded) }",
     "RotationTests", "a coordinator serves on after a rotation"),
    # The listeners
    ("connections that say nothing are few", "Sources/Transport/TLS/OpenConnections.swift",
     "handshakes.count(from: origin) > room.handshakesPerAddress {", "handshakes.count(from: origin) > room.handshakesPerAddress << 8 {",
     "PatienceTests", "connections that say nothing make room"),
    ("... in all as well", "Sources/Transport/TLS/OpenConnections.swift",
     "handshakes.count > room.handshakes, let", "handshakes.count > room.handshakes << 8, let",
     "EnrolmentTests", "whoever is invited enrols while connections that say nothing"),
    ("of addresses with as many the oldest gives way", "Sources/Transport/TLS/OpenConnections.swift",
     "(most.count, oldest) > (count, most.oldest) { continue }", "(most.count, most.origin) > (count, origin) { continue }",
     "EnrolmentTests", "whoever is invited enrols while connections that say nothing"),
    ("an address without a connection finds room", "Sources/Transport/TLS/OpenConnections.swift",
     "most.count > own || own <= 1 else {", "most.count > own else {",
     "EnrolmentTests", "strangers with one connection each from everywhere keep nobody out"),
    ("they take no place of those that have finished", "Sources/Transport/TLS/OpenConnections.swift",
     "guard connections.count(from: origin) < room.connectionsPerAddress else",
     "guard connections.count(from: origin) + handshakes.count(from: origin) < room.connectionsPerAddress else",
     "PatienceTests", "connections that say nothing take no place of partners"),
    ("a message that gRPC cannot read is counted", "Sources/Transport/Server/Listener.swift",
     "if (error as? RPCError)?.code == .internalError {", "if (error as? RPCError)?.code == .dataLoss {",
     "MalformedCallTests", "a message above all limits"),
    ("connections are closed before gRPC is let go", "Sources/Transport/Server/Listener.swift",
     "transport.beginGracefulShutdown()\n      handshake.closeAll()\n      cutOff()\n", "serving.cancel()\n",
     "ConnectionTests", "a server that is cut off while calls come in"),
    ("a listener that ends waits for no connection", "Sources/Transport/Server/Listener.swift",
     "handshake.closeAll()\n", "",
     "ConnectionTests", "a server that is cut off waits for nobody"),
    ("enrolments end with their listener", "Sources/Transport/Server/EnrolmentServer.swift",
     "listener.run { self.calls.cancel() }", "listener.run {}",
     "EnrolmentTests", "a listener that is cut off waits for no enrolment"),
    ("a call waits while its connection is full", "Sources/Transport/Server/OutboundPace.swift",
     "guard let channel = state.channel, !channel.isWritable else { return waiter.end() }",
     "guard let channel = state.channel, !channel.isWritable, channel.isWritable else { return waiter.end() }",
     "PaceTests", "a call waits while its connection is full"),
    ("a call that ends waits no longer", "Sources/Transport/Server/OutboundPace.swift",
     "      } onCancel: {\n        waiter.end()\n      }", "      } onCancel: {\n      }",
     "PaceTests", "a full connection holds up its own calls only"),
    ("what the operator says of the pace counts", "Coordinator/Service/CoordinatorProcess.swift",
     "    limits.paceBytes = uploadPace\n", "",
     "WaitingTests", "how fast partners must send is the operator's to say"),
    ("connections to `serve` that wait make room", "Sources/Operations/WaitingConnections.swift",
     "let oldest = state.crowdedOut(above: most - 1)", "let oldest = state.crowdedOut(above: most << 8)",
     "ServerTests", "whoever opens connections and ends no request"),
    ("... also when they have had their answer", "Sources/Operations/WaitingConnections.swift",
     "return state.crowdedOut(above: most)\n", "return state.crowdedOut(above: most << 8)\n",
     "ServerTests", "a house that filled up with requests"),
    ("whoever is refused again and again grows no younger", "Sources/Operations/WaitingConnections.swift",
     "if wasServed { state.open[key]?.since = now }", "state.open[key]?.since = now",
     "ServerTests", "refusals do not make a connection younger"),
    ("connections to health and metrics that wait make room", "Sources/Operations/OperationsServer.swift",
     "additionalChannelHandlers: [ConnectionWatch(connections)],\n          idleTimeout", "idleTimeout",
     "OperationsServerTests", "whoever opens connections and says nothing"),
    # Plans
    ("rounds that an algorithm has not are refused", "Coordinator/Service/PlanMaking.swift",
     "guard !parameters.contains(\"rounds\") else { return rounds }", "guard parameters.contains(\"none\") else { return rounds }",
     "WaitingTests", "rounds of an algorithm that has none"),
]


def batches(chosen):
    """No two of a batch have one test, or one place in common."""
    made = []
    for mutation in chosen:
        for batch in made:
            if all(mutation[5] != other[5] and not (mutation[1] == other[1] and mutation[2] in other[2]) for other in batch):
                batch.append(mutation)
                break
        else:
            made.append([mutation])
    return made


def failed(output):
    """The names of the tests that failed, or were still running when the process ended."""
    red = set(re.findall(r'✘ Test "(.+)" (?:failed after|recorded|with)', output))
    begun = set(re.findall(r'◇ Test "(.+)" started', output))
    ended = set(re.findall(r'[✔✘➜] Test "(.+)" (?:with \d+ test cases? )?(?:passed|failed|skipped)', output))
    return red, begun - ended


def descendants(process):
    found = []
    try:
        for task in os.listdir(f"/proc/{process}/task"):
            for child in open(f"/proc/{process}/task/{task}/children", encoding="ascii").read().split():
                found += [int(child)] + descendants(int(child))
    except FileNotFoundError:
        pass  # It ended meanwhile.
    return found


def run(batch, limit):
    originals = {}
    try:
        for name, path, old, new, _, _ in batch:
            path = os.path.join(ROOT, path)
            text = open(path, encoding="utf-8").read()
            originals.setdefault(path, text)
            if text.count(old) != 1:
                sys.exit(f"'{name}': {path} has the text {text.count(old)} times, expected once; mend the table")
            open(path, "w", encoding="utf-8").write(text.replace(old, new))
        # Tests of command lines start the program, which is built by itself.
        products = {"tacit" if mutation[1].startswith("Sources/tacit/") else "tacitPackageTests" for mutation in batch}
        for product in sorted(products):
            built = subprocess.run(BUILD + [product], cwd=ROOT, capture_output=True, text=True)
            if built.returncode != 0:
                errors = [line for line in (built.stdout + built.stderr).splitlines() if "error:" in line]
                sys.exit("a mutation does not build:\n" + "\n".join(errors[:10]))
        suites = "|".join(sorted({f"\\.{mutation[4]}/" for mutation in batch}))
        tested = subprocess.Popen(TEST + [suites], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            output = tested.communicate(timeout=limit)[0]
        except subprocess.TimeoutExpired:
            # The tests are a child of `swift test`, of a group of their own, and would outlive it.
            for process in reversed([tested.pid] + descendants(tested.pid)):
                os.kill(process, signal.SIGKILL)
            output = tested.communicate()[0]
        output = output.decode(errors="replace")
    finally:
        for path, text in originals.items():
            open(path, "w", encoding="utf-8").write(text)
    red, hanging = failed(output)
    survivors = 0
    for name, path, _, _, suite, test in batch:
        found = [title for title in red if test in title] or [title + " (hangs)" for title in hanging if test in title]
        survivors += not found
        print(f"{'red     ' if found else 'SURVIVED'}  {name}  ->  {found[0] if found else suite + ': ' + test}", flush=True)
    others = [title for title in red if not any(mutation[5] in title for mutation in batch)]
    for title in sorted(others):
        print(f"          also red: {title}")
    return survivors


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="parts of names")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--check", action="store_true", help="only look whether every text stands in its file once")
    parser.add_argument("--seconds", type=int, default=600, help="longest time of one run of tests")
    options = parser.parse_args()
    chosen = [m for m in MUTATIONS if not options.words or any(word in m[0] for word in options.words)]
    if not chosen:
        sys.exit("no mutation has such a name; see --list")
    if options.list or options.check:
        wrong = 0
        for mutation in chosen:
            count = open(os.path.join(ROOT, mutation[1]), encoding="utf-8").read().count(mutation[2])
            wrong += count != 1
            print(f"{'' if count == 1 else f'{count} TIMES: '}{mutation[0]}  ({mutation[1]})")
        sys.exit(1 if wrong else 0)
    sys.exit(1 if sum(run(batch, options.seconds) for batch in batches(chosen)) else 0)


if __name__ == "__main__":
    main()
