/// One published value of a privacy accountant, as `dp_public.json` holds it: what was asked, what others answer, and how close an answer
/// must be. Conventions are those of the row: z of Rényi rows and of fixed-size cohorts under replace-one is over the distance 2C, all
/// others are over one user's norm C.
public struct ReferenceRow: Decodable, Sendable {
  /// The row's own name; where it has none, its place in the table.
  public internal(set) var id: String
  public let mechanism: String
  public let kind: String?
  public let sampling: String?
  public let accountant: String
  public let adjacency: String?
  public let epsilon: Double?
  public let lowerBound: Double?
  public let upperBound: Double?
  public let delta: Double?
  /// The relative and absolute tolerance; half a percent where the row states none.
  public let relative: Double
  public let absolute: Double
  /// The composition of a `heterogeneous` row; rows of one case share it.
  public var event: String?
  public let caseName: String?
  let noiseMultiplier: Double?
  let q: Double?
  let steps: Int?
  let order: Double?
  let targetEpsilon: Double?
  let zDelta: Double?
  private let numbers: [String: Double]
  private let shape: String?
  /// Why the row cannot be read, or `nil`.
  let fault: String?

  private struct Key: CodingKey {
    let stringValue: String
    let intValue: Int? = nil
    init(_ name: String) { stringValue = name }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  public init(from decoder: any Decoder) throws {
    // A row that cannot be read is a row that fails, with its reason: the others are answered all the same.
    let row = try? decoder.container(keyedBy: Key.self)
    func text(_ name: String) -> String? { try? row?.decodeIfPresent(String.self, forKey: Key(name)) }
    func number(_ name: String) -> Double? {
      // Infinity is written as text.
      (try? row?.decodeIfPresent(Double.self, forKey: Key(name))) ?? (text(name) == "inf" ? .infinity : nil)
    }
    id = text("id") ?? number("id").flatMap { Int(exactly: $0) }.map(String.init) ?? ""
    mechanism = text("mechanism") ?? ""
    accountant = text("accountant") ?? ""
    fault =
      row == nil
      ? "the row is no object"
      : mechanism.isEmpty ? "the row has no mechanism" : accountant.isEmpty ? "the row has no accountant" : nil
    kind = text("kind")
    sampling = text("sampling")
    adjacency = text("adjacency")
    epsilon = number("epsilon")
    lowerBound = number("lower_bound")
    upperBound = number("upper_bound")
    delta = number("delta")
    event = text("event")
    caseName = text("case")
    noiseMultiplier = number("noise_multiplier")
    q = number("q")
    steps = number("steps").flatMap { Int(exactly: $0) }
    order = number("order")
    targetEpsilon = number("target_epsilon")
    zDelta = number("z_delta")
    var numbers: [String: Double] = [:]
    for key in row?.allKeys ?? [] { if let value = number(key.stringValue) { numbers[key.stringValue] = value } }
    self.numbers = numbers
    shape = text("shape")
    let tolerance = try? row?.nestedContainer(keyedBy: Key.self, forKey: Key("tolerance_suggested"))
    relative = (try? tolerance?.decodeIfPresent(Double.self, forKey: Key("rel"))) ?? (tolerance == nil ? 0.005 : 0)
    absolute = (try? tolerance?.decodeIfPresent(Double.self, forKey: Key("abs"))) ?? 0
  }

  /// A number of the row by its name.
  func value(_ name: String) throws(PrivacyParameterError) -> Double {
    guard let value = numbers[name] else { throw PrivacyParameterError("the row has no \(name)") }
    return value
  }

  func count(_ name: String) throws(PrivacyParameterError) -> Int {
    let value = try value(name)
    guard let count = Int(exactly: value) else {
      throw PrivacyParameterError("\(name) is \(value); expected a whole number")
    }
    return count
  }

  func repetitions() throws(PrivacyParameterError) -> RepetitionLaw {
    let mean = try value("mean_repetitions")
    if shape == "poisson" { return try RepetitionLaw(shape: .poisson, mean: mean) }
    return try RepetitionLaw(shape: .truncatedNegativeBinomial(value("shape")), mean: mean)
  }
}

/// A file of rows.
public struct ReferenceTable: Decodable, Sendable {
  public let rows: [ReferenceRow]

  private enum CodingKeys: String, CodingKey { case rows }

  public init(from decoder: any Decoder) throws {
    var rows = try decoder.container(keyedBy: CodingKeys.self).decode([ReferenceRow].self, forKey: .rows)
    // Rényi rows of a case leave its event to the other rows of that case.
    var events: [String: String] = [:]
    for row in rows { if let name = row.caseName, let event = row.event { events[name] = event } }
    for index in rows.indices where rows[index].id.isEmpty { rows[index].id = "row \(index + 1)" }
    for index in rows.indices where rows[index].event == nil {
      if let name = rows[index].caseName { rows[index].event = events[name] }
    }
    self.rows = rows
  }
}
