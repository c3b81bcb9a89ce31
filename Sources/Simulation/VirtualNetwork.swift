internal import SecureAggregation

/// A network in virtual time: every message is bytes, arrives after a seeded delay, and is counted.
///
/// Deliveries are totally ordered by (time, sequence number), so that a run is repeated exactly by its seed.
struct VirtualNetwork {
  struct Delivery {
    let time: Double
    let sequence: Int
    let event: Event
  }

  enum Event {
    case toCoordinator(from: ParticipantID, bytes: [UInt8])
    case toPartner(ParticipantID, bytes: [UInt8])
    /// The deadline of stage number `generation` passed.
    case deadline(generation: Int)
  }

  private(set) var now: Double = 0
  private var heap: [Delivery] = []
  private var sequence = 0

  /// Schedules an event `delay` seconds from now.
  mutating func schedule(_ event: Event, after delay: Double) {
    precondition(delay >= 0, "nothing arrives before it was sent")
    heap.append(Delivery(time: now + delay, sequence: sequence, event: event))
    sequence += 1
    var child = heap.count - 1
    while child > 0, precedes(heap[child], heap[(child - 1) / 2]) {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  /// Takes the earliest event and moves the clock to it.
  mutating func next() -> Event? {
    guard let first = heap.first else { return nil }
    let last = heap.removeLast()
    if !heap.isEmpty {
      heap[0] = last
      var parent = 0
      while true {
        var smallest = parent
        for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && precedes(heap[child], heap[smallest]) {
          smallest = child
        }
        if smallest == parent { break }
        heap.swapAt(parent, smallest)
        parent = smallest
      }
    }
    now = first.time
    return first.event
  }

  private func precedes(_ left: Delivery, _ right: Delivery) -> Bool {
    left.time != right.time ? left.time < right.time : left.sequence < right.sequence
  }
}
