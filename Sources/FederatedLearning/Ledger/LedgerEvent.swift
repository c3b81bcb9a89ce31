public import DifferentialPrivacy

/// What one charge is for: an event that an accountant can compose, or a release without any noise.
public enum ChargedEvent: Sendable, Hashable {
  case accounted(PrivacyEvent)
  /// An exact sum was released. ε is infinite from here on, and a ledger must not hide it.
  case unprotected
}

/// The form of an event inside a payload (Protocols/ledger.md §3.3).
///
/// It is written out by hand, so that a change of the Swift type can neither change old ledgers nor pass unnoticed: a
/// new event does not compile until it has a form of its own.
extension ChargedEvent {
  var ledgerForm: CanonicalJSON {
    switch self {
    case .accounted(let event): event.ledgerForm
    case .unprotected: .object(["type": .string("unprotected")])
    }
  }

  init(ledgerForm: CanonicalJSON) throws {
    if ledgerForm == .object(["type": .string("unprotected")]) {
      self = .unprotected
    } else {
      self = .accounted(try PrivacyEvent(ledgerForm: ledgerForm, depth: 0))
    }
  }
}

extension PrivacyEvent {
  fileprivate var ledgerForm: CanonicalJSON {
    switch self {
    case .gaussian(let release):
      .object(release.members.merging(["type": .string("gaussian")]) { $1 })
    case .poissonSampled(let rate, let release):
      .object(
        release.members.merging(["type": .string("poisson_sampled"), "rate": .real(rate.value)]) { $1 })
    case .repeated(let event, let count):
      .object(["type": .string("repeated"), "count": .natural(count), "event": event.ledgerForm])
    case .composed(let events):
      .object(["type": .string("composed"), "events": .array(events.map(\.ledgerForm))])
    }
  }

  fileprivate init(ledgerForm: CanonicalJSON, depth: Int) throws {
    guard depth <= 8 else { throw LedgerFormatError("the event is nested deeper than 8 levels") }
    var fields = try LedgerFields(ledgerForm, context: "the event")
    switch try fields.text("type") {
    case "gaussian":
      self = .gaussian(release: try GaussianRelease(reading: &fields))
    case "poisson_sampled":
      let rate = try fields.real("rate")
      self = .poissonSampled(rate: try SamplingRate(rate), release: try GaussianRelease(reading: &fields))
    case "repeated":
      let count = try fields.natural("count")
      self = .repeated(
        event: try PrivacyEvent(ledgerForm: try fields.value("event"), depth: depth + 1), count: count)
    case "composed":
      self = .composed(
        events: try fields.list("events").map { try PrivacyEvent(ledgerForm: $0, depth: depth + 1) })
    case let type:
      throw LedgerFormatError("\(type) is no event that this version can account for; nothing was composed")
    }
    try fields.finish()
  }
}

extension GaussianRelease {
  fileprivate var members: [String: CanonicalJSON] {
    [
      "sigma_squared": .integer(sigmaSquared), "shares": .natural(shares),
      "delta_squared": .integer(deltaSquared),
      "dimension": .natural(dimension), "adjacency": .string(adjacency.rawValue),
      "partners_per_user": .natural(partnersPerUser),
    ]
  }

  fileprivate init(reading fields: inout LedgerFields) throws {
    let name = try fields.text("adjacency")
    guard let adjacency = Adjacency(rawValue: name) else {
      throw LedgerFormatError("\(name) is no adjacency, expected add-remove, replace-one or zero-out")
    }
    try self.init(
      sigmaSquared: Int64(try fields.natural("sigma_squared")), shares: try fields.natural("shares"),
      deltaSquared: Int64(try fields.natural("delta_squared")), dimension: try fields.natural("dimension"),
      adjacency: adjacency, partnersPerUser: try fields.natural("partners_per_user"))
  }
}
