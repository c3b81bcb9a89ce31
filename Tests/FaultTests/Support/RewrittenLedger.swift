import CryptoPrimitives
import FederatedLearning
import Foundation
import PeerIdentity

extension LiveFederation {
  /// Sets the coordinator's ledger back to its first records and fills it up with remarks, under the coordinator's own key, until it is
  /// two records longer than it was.
  func rewriteLedger(keeping records: Int) throws {
    let plan = try PlanFile(bytes: try journal.plan()).plan
    let path = "\(stateFolder)/ledgers/\(plan.session).ledger"
    let seed = try SealedFile.read(kind: "signing", path: stateFolder + "/signing.key") {
      throw SuiteError("the key is not sealed here")
    }
    let key = SigningKey(seed: seed)
    let lines = try Data(contentsOf: URL(fileURLWithPath: path)).split(separator: UInt8(ascii: "\n"))
    let content = lines.prefix(records).flatMap { Array($0) + [UInt8(ascii: "\n")] }
    let memory = LedgerMemory(content)
    let ledger = try PrivacyLedger(content: content, journal: memory, key: key)
    while ledger.state.size < lines.count + 2 { try ledger.note("nothing to see here", time: 1) }
    try Data(memory.bytes).write(to: URL(fileURLWithPath: path))
  }
}
