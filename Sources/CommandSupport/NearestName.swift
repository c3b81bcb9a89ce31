/// The known name that is closest to a mistyped one, for "did you mean" sentences.
public enum NearestName {
  /// - Returns: the name with the smallest edit distance, when that is at most half of the longer word.
  public static func match(_ name: String, among known: [String]) -> String? {
    let candidates = known.map { (name: $0, distance: distance(name.lowercased(), $0.lowercased())) }
    guard let best = candidates.min(by: { $0.distance < $1.distance }) else { return nil }
    return best.distance <= max(name.count, best.name.count) / 2 ? best.name : nil
  }

  /// Levenshtein distance in characters.
  public static func distance(_ left: String, _ right: String) -> Int {
    let left = Array(left)
    let right = Array(right)
    var row = Array(0...right.count)
    for (i, character) in left.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, other) in right.enumerated() {
        let substitution = diagonal + (character == other ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(substitution, row[j] + 1, row[j + 1] + 1)
      }
    }
    return row[right.count]
  }
}
