extension PrivacyEvent {
  /// The same event as it looks to a group of users who may all be there or all be missing.
  ///
  /// A group of k users moves the sum k times as far as one, as one user at k times as many partners does; what is
  /// proven for the latter (a larger shift, and with sampling the rate 1 − (1 − q)^k) holds for the former.
  ///
  /// - Parameter size: k, at least 1.
  /// - Throws: `PrivacyParameterError` when size times partners per user exceeds 1000.
  public func forGroup(of size: Int) throws(PrivacyParameterError) -> PrivacyEvent {
    switch self {
    case .gaussian(let release): return .gaussian(release: try release.forGroup(of: size))
    case .poissonSampled(let rate, let release):
      return .poissonSampled(rate: rate, release: try release.forGroup(of: size))
    case .repeated(let event, let count): return .repeated(event: try event.forGroup(of: size), count: count)
    case .composed(let events):
      var scaled: [PrivacyEvent] = []
      for event in events { scaled.append(try event.forGroup(of: size)) }
      return .composed(events: scaled)
    }
  }
}

extension GaussianRelease {
  func forGroup(of size: Int) throws(PrivacyParameterError) -> GaussianRelease {
    let (partners, overflow) = partnersPerUser.multipliedReportingOverflow(by: size)
    guard !overflow else { throw PrivacyParameterError("a group of \(size) users is larger than any accountant covers") }
    return try GaussianRelease(
      sigmaSquared: sigmaSquared, shares: shares, deltaSquared: deltaSquared, dimension: dimension,
      adjacency: adjacency, partnersPerUser: partners)
  }
}
