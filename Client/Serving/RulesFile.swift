public import Foundation
internal import Recommender
public import Serving

/// Business rules as a JSON document; docs/operations.md shows one.
public enum RulesFile {
  /// A document that does what no rules do, with every member in it, for whoever writes one.
  public static let sample = """
    {
      "eventWeights": { "browse": 1, "favourite": 3, "cart": 5, "buy": 10 },
      "block": { "items": [] },
      "scenes": {
        "all": { "lambda": 1 },
        "ads": {
          "kind": "ads",
          "items": { "items": [] },
          "eventWeights": { "browse": 3, "favourite": 3, "cart": 3, "buy": 1 },
          "lambda": 0.7,
          "pin": [],
          "block": { "items": [] },
          "boost": [ { "items": [], "add": 0.5 } ]
        }
      }
    }

    """

  /// - Throws: `ServingRuleError` that says what does not fit, and where.
  public static func read(path: String) throws -> ServingRules {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw ServingRuleError("the rules \(path) cannot be read; expected a JSON file")
    }
    do { return try read(data) } catch let error as ServingRuleError {
      throw ServingRuleError("\(path): \(error.description)")
    }
  }

  public static func read(_ data: Data) throws -> ServingRules {
    do { return try JSONDecoder().decode(Document.self, from: data).rules } catch {
      throw ServingRuleError(StrictProblem.sentence(error, of: "the document"))
    }
  }

  private struct Document: Decodable {
    let rules: ServingRules

    init(from decoder: any Decoder) throws {
      let members = try decoder.members(["eventWeights", "block", "scenes"])
      let weights = try members.decodeIfPresent(Weights.self, forKey: StrictKey("eventWeights"))?.weights ?? EventWeights()
      let scenes = try members.decodeIfPresent([String: Scene].self, forKey: StrictKey("scenes")) ?? [:]
      for name in scenes.keys where !APIParameter.isName(name) {
        throw StrictProblem(sentence: "scenes: a name is empty, longer than 256 characters, or holds control characters")
      }
      rules = ServingRules(
        eventWeights: weights,
        block: try members.decodeIfPresent(Selection.self, forKey: StrictKey("block"))?.selection ?? ServingRules.Selection(),
        scenes: scenes.mapValues(\.scene))
    }
  }

  private struct Weights: Decodable {
    let weights: EventWeights

    init(from decoder: any Decoder) throws {
      let members = try decoder.members(EventKind.allCases.map(\.rawValue))
      let standard = EventWeights()
      func weight(_ kind: EventKind) throws -> Float {
        guard let value = try members.decodeIfPresent(Float.self, forKey: StrictKey(kind.rawValue)) else { return standard[kind] }
        guard value > 0, value.isFinite else {
          throw StrictProblem(sentence: "\(decoder.place)\(kind.rawValue) is \(value), expected a positive number")
        }
        return value
      }
      weights = EventWeights(
        browse: try weight(.browse), favourite: try weight(.favourite), cart: try weight(.cart), buy: try weight(.buy))
    }
  }

  private struct Selection: Decodable {
    let selection: ServingRules.Selection

    init(from decoder: any Decoder) throws {
      selection = try Self.read(decoder, try decoder.members(["items", "column", "values"]))
    }

    static func read(
      _ decoder: any Decoder, _ members: KeyedDecodingContainer<StrictKey>
    ) throws -> ServingRules.Selection {
      let column = try members.decodeIfPresent(String.self, forKey: StrictKey("column"))
      let values = try members.decodeIfPresent([String].self, forKey: StrictKey("values"))
      guard (column == nil) == (values == nil) else {
        throw StrictProblem(sentence: "\(decoder.place)one of column and values is missing; expected both, or neither")
      }
      return ServingRules.Selection(
        items: try members.decodeIfPresent([String].self, forKey: StrictKey("items")) ?? [], column: column, values: values ?? [])
    }
  }

  private struct Boost: Decodable {
    let boost: ServingRules.Boost

    init(from decoder: any Decoder) throws {
      let members = try decoder.members(["items", "column", "values", "add"])
      boost = ServingRules.Boost(
        of: try Selection.read(decoder, members), add: try members.decode(Float.self, forKey: StrictKey("add")))
    }
  }

  private struct Cap: Decodable {
    let cap: ServingRules.Cap

    init(from decoder: any Decoder) throws {
      let members = try decoder.members(["column", "max"])
      cap = ServingRules.Cap(
        column: try members.decode(String.self, forKey: StrictKey("column")),
        max: try members.decode(Int.self, forKey: StrictKey("max")))
    }
  }

  private struct Scene: Decodable {
    let scene: ServingRules.Scene

    init(from decoder: any Decoder) throws {
      let members = try decoder.members(["kind", "items", "eventWeights", "lambda", "cap", "pin", "block", "boost"])
      let kind = try members.decodeIfPresent(String.self, forKey: StrictKey("kind"))
      if let kind, ServingRules.Kind(rawValue: kind) == nil {
        throw StrictProblem(
          sentence:
            "\(decoder.place)kind is '\(kind)', expected one of \(ServingRules.Kind.allCases.map(\.rawValue).joined(separator: ", "))"
        )
      }
      scene = ServingRules.Scene(
        kind: kind.flatMap { ServingRules.Kind(rawValue: $0) },
        items: try members.decodeIfPresent(Selection.self, forKey: StrictKey("items"))?.selection,
        eventWeights: try members.decodeIfPresent(Weights.self, forKey: StrictKey("eventWeights"))?.weights,
        lambda: try members.decodeIfPresent(Float.self, forKey: StrictKey("lambda")) ?? 1,
        cap: try members.decodeIfPresent(Cap.self, forKey: StrictKey("cap"))?.cap,
        pin: try members.decodeIfPresent([String].self, forKey: StrictKey("pin")) ?? [],
        block: try members.decodeIfPresent(Selection.self, forKey: StrictKey("block"))?.selection ?? ServingRules.Selection(),
        boost: try members.decodeIfPresent([Boost].self, forKey: StrictKey("boost"))?.map(\.boost) ?? [])
    }
  }
}
