/// Ranges of hyper-parameters, in the words of `InvalidHyperparameter`.
enum Requirement {
  static func holds(_ condition: Bool, _ name: String, _ found: some Any, _ expected: String) throws {
    if !condition { throw InvalidHyperparameter(name: name, found: "\(found)", expected: expected) }
  }

  static func atLeastOne(_ value: Int, _ name: String) throws {
    try holds(value >= 1, name, value, "at least 1")
  }

  static func positive(_ value: Float, _ name: String) throws {
    try holds(value > 0 && value.isFinite, name, value, "a finite number above 0")
  }

  /// Contributions are indexed with 32 bits.
  static func indexable(_ entries: Int) throws {
    try holds(
      entries <= Int(UInt32.max), "number of entries of one release", entries,
      "at most \(UInt32.max): choose a smaller dimension or catalogue")
  }
}
