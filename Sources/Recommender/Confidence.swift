internal import Glibc

extension UserHistory {
  /// How sure each interaction is, from 0 to 1: c = (1 + ln(1 + w)) / (1 + ln(1 + w₀)), with w₀ the largest weight of this history.
  ///
  /// The logarithm of Hu, Koren, Volinsky, *Collaborative filtering for implicit feedback datasets* (ICDM 2008), eq. 6, with α = ε = 1: who
  /// looked at one item a hundred times does not like everything else a hundred times less. It is relative to the user's own strongest
  /// interaction, so that looks are all there is to learn from for one who only looks, and half of a purchase beside one; and a
  /// contribution's bound knows no weights. What is no number, or not above 0, is 0.
  var confidences: [Float] {
    guard let largest = weights.max(by: { !($1 <= $0) }), largest > 0 else {
      return [Float](repeating: weights.isEmpty ? 1 : 0, count: items.count)
    }
    let unit = 1 + log1p(min(largest, .greatestFiniteMagnitude))
    return weights.map { $0 > 0 ? min(1, (1 + log1p($0)) / unit) : 0 }
  }
}
