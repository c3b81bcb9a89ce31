/// Which two data sets a privacy guarantee cannot tell apart. It is named by every plan and never guessed, because
/// the distance between neighbours changes with it: one release with z = 1 and δ = 1e-5 is ε = 4.38 under
/// `addRemove` and ε = 10.00 under `replaceOne`.
public enum Adjacency: String, Hashable, Sendable, Codable, CaseIterable {
  /// One user (with all of their interactions) more or fewer. The number of users is private.
  case addRemove = "add-remove"
  /// One user is exchanged for another. The number of users is public. A release in which every user contributes a
  /// vector of norm at most Δ moves by up to 2Δ.
  case replaceOne = "replace-one"
  /// One user's contribution is replaced by zero. The number of users is public; the distance is Δ.
  case zeroOut = "zero-out"

  /// How far a sum of vectors of norm at most Δ moves between neighbours, in units of Δ.
  public var distanceFactor: Double { self == .replaceOne ? 2 : 1 }
}
