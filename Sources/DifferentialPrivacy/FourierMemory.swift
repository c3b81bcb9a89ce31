internal import Synchronization

/// The memory of a composition: four arrays that are longer than any transform in them, with anything in them.
///
/// Memory that is fresh from the system costs a page fault for every 4 KiB, together as much as the transforms themselves. So that of the
/// last composition is kept for the next.
struct FourierMemory: Sendable {
  /// The product of the transforms, and in the end the composition.
  var productRe: [Double]
  var productIm: [Double]
  /// One transform.
  var re: [Double]
  var im: [Double]

  /// Memory for transforms of this length; nobody else has it.
  static func taken(size: Int) -> FourierMemory {
    let kept = spare.withLock { spare in
      defer { spare = nil }
      return spare
    }
    if let kept, kept.re.count >= size { return kept }
    let fresh = [Double](repeating: 0, count: size)
    return FourierMemory(productRe: fresh, productIm: fresh, re: fresh, im: fresh)
  }

  /// Keeps it for the next composition, unless it is so large that it should go back to the system.
  func keep() {
    guard re.count <= Self.sizeMax else { return }
    Self.spare.withLock { spare in
      if spare.map({ $0.re.count < re.count }) ?? true { spare = self }
    }
  }

  private static let spare = Mutex<FourierMemory?>(nil)
  /// 8 MiB in all.
  private static let sizeMax = 1 << 18
}
