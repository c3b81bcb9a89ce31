/// Reads the short notation in which reference tables name compositions, where a row holds no event:
/// `500x(z1,q.01)+100x(z2,q.05)`, `3xGauss(z=5)+2xLaplace(b=20)`, `adaptive clip, z=1 total … (500x q=.01)`, ….
enum CaseText {
  /// - Returns: `nil` when the notation is not understood.
  static func event(_ text: String) -> MechanismEvent? {
    let body = text.split(separator: ":", maxSplits: 1).last.map { $0.drop { $0 == " " } } ?? ""
    let numbers = fields(body)
    if body.hasPrefix("adaptive clip"), let z = numbers["z"]?.first, let q = numbers["q"]?.first, let count = count(in: body) {
      // Both releases of a round together cost z.
      return sampled(z, q, count)
    }
    if body.hasPrefix("truncated Poisson"), let z = numbers["z"]?.first, let q = numbers["q"]?.first,
      let users = numbers["n"]?.first, let cap = numbers["B"]?.first, let rounds = numbers["T"]?.first
    {
      return .repeated(
        .release(
          .gaussian(noiseMultiplier: z), sampling: .truncatedPoisson(rate: q, users: Int(users), cap: Int(cap))),
        count: Int(rounds))
    }
    if body.hasPrefix("varying"), let qs = numbers["q"], let zs = numbers["z"] {
      guard qs.count == 1 || zs.count == 1 else { return nil }
      return .composed(qs.flatMap { q in zs.map { z in sampled(z, q, 1) } })
    }
    if body.hasPrefix("Gauss z "), body.hasSuffix(" once each") {
      let list = body.dropFirst(8).dropLast(10).split(separator: ",").map { number($0) }
      let zs = list.compactMap { $0 }
      return zs.count == list.count ? .composed(zs.map { .release(.gaussian(noiseMultiplier: $0), sampling: .everyone) }) : nil
    }
    let isLaplace = body.hasPrefix("subsampled Laplace ")
    let sum = isLaplace ? body.dropFirst(19) : body
    var events: [MechanismEvent] = []
    for term in sum.split(separator: "+") {
      guard let event = term.last == ")" ? self.term(term) : nil else { return nil }
      events.append(event)
    }
    return events.isEmpty ? nil : .composed(events)
  }

  /// `500x(z1,q.01)`, `Gauss(z=4)`, `2xLaplace(b=20)`, `discreteLaplace(a=.1,D=1)`, `300x(b=2,q=.02)`
  private static func term(_ text: Substring) -> MechanismEvent? {
    var head = text.prefix { $0 != "(" }
    let values = fields(text.dropFirst(head.count)).compactMapValues { $0.first }
    var count = 1
    if let cross = head.firstIndex(of: "x"), let times = Int(head[..<cross]) {
      count = times
      head = head[head.index(after: cross)...]
    }
    let sampling = values["q"].map { CohortSampling.poisson(rate: $0) } ?? .everyone
    let mechanism: Mechanism
    switch (head, values["z"], values["b"], values["a"]) {
    case ("", let z?, nil, nil), ("Gauss", let z?, nil, nil): mechanism = .gaussian(noiseMultiplier: z)
    case ("", nil, let b?, nil), ("Laplace", nil, let b?, nil): mechanism = .laplace(scale: b)
    case ("discreteLaplace", nil, nil, let a?): mechanism = .discreteLaplace(decay: a, sensitivity: Int(values["D"] ?? 1))
    default: return nil
    }
    return .repeated(.release(mechanism, sampling: sampling), count: count)
  }

  private static func sampled(_ z: Double, _ q: Double, _ count: Int) -> MechanismEvent {
    .repeated(.release(.gaussian(noiseMultiplier: z), sampling: .poisson(rate: q)), count: count)
  }

  /// Values of one-letter names, `z=1`, `z1`, `q=.02..0.16 step .02`; a range gives all its values.
  private static func fields(_ text: Substring) -> [Character: [Double]] {
    var result: [Character: [Double]] = [:]
    for part in text.split(whereSeparator: { ",()".contains($0) }) {
      let words = part.split(separator: " ")
      for (index, word) in words.enumerated() {
        guard let name = word.first, name.isLetter, name != "x" else { continue }
        var rest = word.dropFirst()
        if rest.first == "=" { rest = rest.dropFirst() }
        if let range = rest.ranges(of: "..").first, index + 2 < words.count, words[index + 1] == "step",
          let from = number(rest[..<range.lowerBound]), let to = number(rest[range.upperBound...]),
          let step = number(words[index + 2]), step > 0, to >= from, (to - from) / step < 1000
        {
          let count = Int(((to - from) / step).rounded())
          if result[name] == nil { result[name] = (0...count).map { from + Double($0) * step } }
        } else if let value = number(rest), result[name] == nil {
          result[name] = [value]
        }
      }
    }
    return result
  }

  /// `500x`
  private static func count(in text: Substring) -> Int? {
    for part in text.split(whereSeparator: { " ()".contains($0) }) where part.last == "x" {
      if let count = Int(part.dropLast()) { return count }
    }
    return nil
  }

  private static func number(_ text: Substring) -> Double? {
    guard let first = text.first, first.isNumber || first == "." else { return nil }
    return Double(first == "." ? "0" + text : String(text))
  }
}
