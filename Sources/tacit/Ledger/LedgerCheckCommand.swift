internal import ArgumentParser
internal import CommandSupport
internal import CryptoPrimitives
internal import FederatedLearning
internal import ModelExport
internal import SecureAggregation

/// `tacit ledger check`: verifies ledgers, heads and proofs by themselves, then against each other.
struct LedgerCheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Verify ledgers, heads and proofs, and look for forks among them; exit code 4 when anything fails.",
    discussion: """
      A fork is proven by two heads of one ledger and size that its holder signed both; --fork writes that proof (of more forks to FILE.2, FILE.3, …).
      Two ledgers of one key for one data set fail too, and so does a ledger that ends before a head that its holder signed.
      """)

  @Argument(help: ArgumentHelp("Ledger files, and JSON of tacit ledger head and prove.", valueName: "file")) var paths: [String]
  @Option(help: "The holder's public key, 64 hexadecimal digits; from the files themselves when left out.") var key: String?
  @Option(help: ArgumentHelp("Write the proof of a fork here.", valueName: "file")) var fork: String?

  func run() throws { try Failures.report { try execute() } }

  private func execute() throws {
    let key = try LedgerSource.key(key)
    var comparison = LedgerComparison()
    var failures = 0
    var limits: [String] = []
    func fail(_ sentence: String) {
      failures += 1
      Console.output("FAIL  \(sentence)")
    }
    for path in paths {
      let bytes = try LedgerSource.read(path)
      if let json = try? CanonicalJSON(canonical: bytes.last == UInt8(ascii: "\n") ? Array(bytes.dropLast()) : bytes) {
        let document: LedgerDocument
        do { document = try LedgerDocument(json: json) } catch {
          fail("\(path): \(error)")
          continue
        }
        if let objection = document.objection {
          fail("\(path): \(objection)")
        } else if let key, document.heads.contains(where: { $0.key != key }) {
          fail("\(path): is signed by another key than the one that was given")
        } else {
          comparison.add(document, from: path)
          Console.output("ok    \(path): \(Self.describe(document))")
        }
      } else {
        let verification = LedgerVerifier(key: key).verify(bytes)
        for limit in verification.limits where !limits.contains(limit) { limits.append(limit) }
        for finding in verification.findings {
          if finding.isFault { fail("\(path): \(finding)") } else { Console.output("note  \(path): \(finding)") }
        }
        guard let state = verification.state else { continue }
        comparison.add(state, from: path)
        if verification.isSound {
          Console.output(
            "ok    \(path): \(LedgerSource.describe(state.header)): \(state.size) records, \(state.charges.count) charges, fingerprint \(state.statement.fingerprint)"
          )
        }
      }
    }
    for sentence in comparison.agreements { Console.output("ok    \(sentence)") }
    for sentence in comparison.unknown + comparison.unrelated { Console.output("note  \(sentence)") }
    for sentence in comparison.restarts + comparison.rollbacks { fail(sentence) }
    for (index, (fork, sentence)) in comparison.forks.enumerated() {
      fail(sentence)
      if let path = self.fork.map({ index == 0 ? $0 : "\($0).\(index + 1)" }) {
        try AtomicFile.write(LedgerDocument.fork(fork).json.text + "\n", to: path)
        Console.output("      the proof, with both signatures, is in \(path)")
      }
    }
    if key == nil, limits.isEmpty {
      limits.append("The key was taken from the files themselves: compare it with the roster's, or give --key.")
    }
    Console.output("\nWhat this cannot see:")
    for limit in limits { Console.output("- \(limit)") }
    guard failures == 0 else {
      throw CommandFailure(.notVerified, "\(failures) \(failures == 1 ? "check" : "checks") failed; do not rely on these ledgers")
    }
  }

  private static func describe(_ document: LedgerDocument) -> String {
    switch document {
    case .head(let statement): "a signed head of \(statement.head.head.size) records, fingerprint \(statement.fingerprint)"
    case .record(let proof): "record \(proof.number) is among the \(proof.statement.head.head.size) signed records"
    case .growth(let proof):
      "the \(proof.later.head.head.size) signed records go on from the first \(proof.earlier.head.head.size)"
    case .fork(let fork): "a proof of two ledgers of size \(fork.first.head.size), signed by \(fork.key.hex.prefix(16))…"
    }
  }
}
