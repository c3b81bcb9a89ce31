/// Memory of one forward and backward pass: handed out in order and taken back all at once.
///
/// A pass over a sequence needs the same pieces as the pass before it, so after the first one nothing is allocated. Belongs to
/// one thread.
package final class Arena {
  private var base: UnsafeMutableRawPointer
  private var capacity: Int
  private var used = 0
  /// Chunks that became too small while pieces of them were in use.
  private var retired: [UnsafeMutableRawPointer] = []
  /// Bytes handed out since the last `reset`, over all chunks.
  private var demand = 0

  private static let alignment = 64

  package init(bytes: Int = 1 << 18) {
    capacity = max(bytes, 4096)
    base = .allocate(byteCount: capacity, alignment: Self.alignment)
  }

  deinit {
    for chunk in retired { chunk.deallocate() }
    base.deallocate()
  }

  /// `count` floats, not initialised, valid until `reset`.
  package func floats(_ count: Int) -> UnsafeMutablePointer<Float> {
    take(count * MemoryLayout<Float>.stride).bindMemory(to: Float.self, capacity: count)
  }

  /// `count` floats of value 0.
  package func zeros(_ count: Int) -> UnsafeMutablePointer<Float> {
    let memory = floats(count)
    memory.initialize(repeating: 0, count: count)
    return memory
  }

  /// Room for `count` plain records, not initialised: the caches of a stack of layers.
  func records<Record: BitwiseCopyable>(_ type: Record.Type, _ count: Int) -> UnsafeMutablePointer<Record> {
    take(count * MemoryLayout<Record>.stride).bindMemory(to: Record.self, capacity: count)
  }

  /// Takes all pieces back. One chunk then holds as much as was in use.
  package func reset() {
    if !retired.isEmpty {
      for chunk in retired { chunk.deallocate() }
      retired.removeAll(keepingCapacity: true)
      base.deallocate()
      capacity = demand
      base = .allocate(byteCount: capacity, alignment: Self.alignment)
    }
    used = 0
    demand = 0
  }

  private func take(_ bytes: Int) -> UnsafeMutableRawPointer {
    let rounded = (bytes + Self.alignment - 1) / Self.alignment * Self.alignment
    if used + rounded > capacity {
      retired.append(base)
      capacity = max(2 * capacity, rounded)
      base = .allocate(byteCount: capacity, alignment: Self.alignment)
      used = 0
    }
    defer {
      used += rounded
      demand += rounded
    }
    return base + used
  }
}
