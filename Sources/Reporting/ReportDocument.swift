/// A report as a document: the one arrangement that the page and the terminal both print.
package struct ReportDocument: Sendable {
  package var claim: Claim
  /// The table of guarantees, part of the first screen.
  package var guarantees: DocumentTable?
  /// Circumstances that the reader must know, as (kind, sentence).
  package var hazards: [DocumentFact]
  /// Results, then details, in the order of reading.
  package var results: [DocumentSection]
  package var details: [DocumentSection]
  package var commands: [ReportCommand]
}

/// A titled part with blocks in order.
package struct DocumentSection: Sendable {
  package var id: String
  package var title: String
  package var blocks: [DocumentBlock]

  package init(id: String, title: String, blocks: [DocumentBlock]) {
    self.id = id
    self.title = title
    self.blocks = blocks
  }
}

package enum DocumentBlock: Sendable {
  case paragraph(String)
  case subheading(String)
  case list([String])
  case facts([DocumentFact])
  case table(DocumentTable)
}

/// A term and what is to be said about it.
package struct DocumentFact: Sendable {
  package var term: String
  package var text: String

  package init(_ term: String, _ text: String) {
    self.term = term
    self.text = text
  }
}

/// A table whose first column names its rows.
package struct DocumentTable: Sendable {
  package var caption: String
  package var columns: [Column]
  package var rows: [[Cell]]
  /// Sentence below the table.
  package var note: String?
  /// True when the strong row is the one to look at among its neighbours.
  package var isComparison = false

  package struct Column: Sendable {
    package var title: String
    package var isNumeric: Bool

    package init(_ title: String, numeric: Bool = true) {
      self.title = title
      self.isNumeric = numeric
    }
  }

  package struct Cell: Sendable {
    package var text: String
    /// Small print behind the text, such as an interval.
    package var detail: String?
    package var isStrong: Bool

    package init(_ text: String, detail: String? = nil, strong: Bool = false) {
      self.text = text
      self.detail = detail
      self.isStrong = strong
    }
  }

  package init(
    caption: String, columns: [Column], rows: [[Cell]], note: String? = nil, isComparison: Bool = false
  ) {
    precondition(rows.allSatisfy { $0.count == columns.count }, "every row of a table has a cell per column")
    self.caption = caption
    self.columns = columns
    self.rows = rows
    self.note = note
    self.isComparison = isComparison
  }
}

extension ReportDocument {
  package init(_ report: RunReport) {
    let report = report.publishable()
    let quality = report.utility.map(QualityDocument.init)
    claim = Claim(report)
    guarantees = PrivacyDocument(report.privacy).guaranteeTable
    if claim.verdict == .notPrivate {
      guarantees?.caption = "What would be charged if the randomness were secret"
    }
    let grave = report.hazards.filter(\.isGrave)
    hazards = (grave + report.hazards.filter { !$0.isGrave })
      .map { DocumentFact(Wording.hazard($0.kind), $0.text) }
    results = quality?.results ?? []
    let details =
      PrivacyDocument(report.privacy).sections + (quality?.details ?? [])
      + (report.cost.map { CostDocument($0).sections } ?? []) + [ReportDocument.identity(report.identity)]
    self.details = details
    commands = report.commands
  }

  private static func identity(_ identity: RunIdentity) -> DocumentSection {
    let accountant = [identity.accountantName, identity.accountantVersion].compactMap { $0 }
    let facts: [(String, String?)] = [
      ("Run", identity.runID), ("Algorithm", identity.algorithm), ("Data set", identity.dataSet),
      ("Plan (hash)", identity.planHash), ("Catalogue (hash)", identity.catalogueHash),
      ("Code version", identity.codeVersion),
      ("Accountant", accountant.isEmpty ? nil : accountant.joined(separator: ", ")),
      ("Signer (key fingerprint)", identity.signerKeyFingerprint), ("Made at", identity.createdAt),
      ("Seed of data and splits", identity.seed.map { String($0) }),
      ("Layout of report.json", RunReport.currentSchema),
    ]
    return DocumentSection(
      id: "identity", title: "Identity of the run",
      blocks: [.facts(facts.map { DocumentFact($0.0, $0.1 ?? "not stated") })])
  }
}
