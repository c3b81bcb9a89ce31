internal import CryptoPrimitives

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

extension Tacit_V1_LedgerNote {
  init(_ note: LedgerNote) {
    self.init()
    dataset = note.dataset
    size = note.size
    head = Data(note.head.bytes)
  }

  func contract(_ field: String, datasetLength: ClosedRange<Int>) throws(MalformedField) -> LedgerNote {
    LedgerNote(
      dataset: try WireField.text(dataset, field + ".dataset", counts: datasetLength), size: size,
      head: try WireField.digest(head, field + ".head"))
  }

  static func contracts(
    _ notes: [Self], _ field: String, datasetLength: ClosedRange<Int> = 1...128
  ) throws(MalformedField) -> [LedgerNote] {
    guard notes.count <= 64 else { throw MalformedField(field: field) }
    var result: [LedgerNote] = []
    for note in notes { result.append(try note.contract(field, datasetLength: datasetLength)) }
    guard Set(result.map(\.dataset)).count == result.count else { throw MalformedField(field: field) }
    return result
  }
}

extension Tacit_V1_HelloRequest {
  init(_ hello: ClientHello) {
    self.init()
    oldestVersion = hello.versions.oldest
    newestVersion = hello.versions.newest
    software = hello.software
    ledgers = hello.ledgers.map { Tacit_V1_LedgerNote($0) }
  }

  func contract() throws(MalformedField) -> ClientHello {
    ClientHello(
      versions: try WireField.versions(oldestVersion, newestVersion),
      software: try WireField.text(software, "software", counts: 0...128),
      ledgers: try Tacit_V1_LedgerNote.contracts(ledgers, "ledgers"))
  }
}

extension Tacit_V1_HelloResponse {
  init(_ hello: ServerHello) {
    self.init()
    version = hello.version
    software = hello.software
    task = hello.task
    recordedLedgers = hello.recordedLedgers.map { Tacit_V1_LedgerNote($0) }
    if let ledger = hello.coordinatorLedger { coordinatorLedger = Tacit_V1_LedgerNote(ledger) }
    newestStatement = hello.newestStatement
    clock = hello.clock
  }

  func contract() throws(MalformedField) -> ServerHello {
    ServerHello(
      version: version, software: try WireField.text(software, "software", counts: 0...128),
      task: try WireField.text(task, "task", counts: 0...32),
      recordedLedgers: try Tacit_V1_LedgerNote.contracts(recordedLedgers, "recorded_ledgers", datasetLength: 0...128),
      coordinatorLedger: hasCoordinatorLedger
        ? try coordinatorLedger.contract("coordinator_ledger", datasetLength: 0...0) : nil,
      newestStatement: newestStatement, clock: clock)
  }
}
