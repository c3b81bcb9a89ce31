internal import FoundationEssentials

/// The members of a JSON document, to refuse what decoding would skip: a member that one reader skips and another obeys, or
/// that stands twice with two values, would make one signed plan mean two things.
indirect enum PlanShape: Decodable {
  case object([String: PlanShape])
  case list([PlanShape])
  case leaf

  init(from decoder: any Decoder) throws {
    if let members = try? decoder.singleValueContainer().decode([String: PlanShape].self) {
      self = .object(members)
    } else if let elements = try? decoder.singleValueContainer().decode([PlanShape].self) {
      self = .list(elements)
    } else {
      self = .leaf
    }
  }

  /// - Throws: `PlanError` naming a member that is not the plan's, or saying that one stands twice.
  static func check(_ bytes: [UInt8], against plan: TrainingPlan) throws(PlanError) {
    guard let found = try? JSONDecoder().decode(PlanShape.self, from: Data(bytes)),
      let known = try? JSONDecoder().decode(PlanShape.self, from: JSONEncoder().encode(plan))
    else { throw PlanError("the plan is not valid JSON") }
    if let member = found.unknownMember(known, path: "") { throw PlanError("the plan has an unknown member '\(member)'") }
    let colons = colonsOutsideTexts(bytes)
    guard colons == found.memberCount else {
      throw PlanError("the plan has \(colons) members, of which \(found.memberCount) are different: one stands twice")
    }
  }

  private func unknownMember(_ known: PlanShape, path: String) -> String? {
    switch (self, known) {
    case (.object(let members), .object(let expected)):
      for (name, value) in members.sorted(by: { $0.key < $1.key }) {
        let path = path.isEmpty ? name : "\(path).\(name)"
        guard let other = expected[name] else { return path }
        if let member = value.unknownMember(other, path: path) { return member }
      }
      return nil
    case (.list(let elements), .list(let expected)):
      return zip(elements, expected).lazy.compactMap { $0.unknownMember($1, path: path) }.first
    default: return nil
    }
  }

  private var memberCount: Int {
    switch self {
    case .object(let members): members.values.reduce(members.count) { $0 + $1.memberCount }
    case .list(let elements): elements.reduce(0) { $0 + $1.memberCount }
    case .leaf: 0
    }
  }

  /// Every member has one colon that is not inside a text.
  private static func colonsOutsideTexts(_ bytes: [UInt8]) -> Int {
    var (count, isInText, isEscaped) = (0, false, false)
    for byte in bytes {
      if isEscaped {
        isEscaped = false
      } else if byte == UInt8(ascii: "\"") {
        isInText.toggle()
      } else if isInText {
        isEscaped = byte == UInt8(ascii: "\\")
      } else if byte == UInt8(ascii: ":") {
        count += 1
      }
    }
    return count
  }
}
