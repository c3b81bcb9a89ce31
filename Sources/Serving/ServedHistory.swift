public import Recommender

/// One user's events as a server has them: distinct items, oldest first, with what is known of each item's events.
///
/// An item that comes again moves to the end. Imported events are known by the sum of their weights only; later ones by their kind,
/// so that each scene can weigh them in its own way.
public struct ServedHistory: Sendable, Equatable {
  /// What the user did with one item.
  public struct Entry: Sendable, Equatable {
    public let item: Int32
    /// Weight of the events before serving; 0 for an item that was first met while serving.
    public var imported: Float
    /// Events that came while serving, by kind, in the order of `EventKind.allCases`, and those without a kind.
    public var counts: SIMD8<UInt32>

    public init(item: Int32, imported: Float = 0) {
      self.item = item
      self.imported = imported
      counts = .zero
    }

    fileprivate func weight(_ weights: EventWeights) -> Float {
      var sum = imported + Float(counts[Self.plain])
      for (place, kind) in EventKind.allCases.enumerated() where counts[place] > 0 {
        sum += Float(counts[place]) * weights[kind]
      }
      return sum
    }

    fileprivate static let plain = EventKind.allCases.count
  }

  public private(set) var entries: [Entry]

  /// - Precondition: distinct items.
  public init(entries: [Entry] = []) { self.entries = entries }

  /// What an import left: items, oldest first, and their weights (none: all 1).
  public init(items: [Int32], weights: [Float] = []) {
    precondition(weights.isEmpty || weights.count == items.count, "one weight per item, or none")
    entries = items.indices.map { Entry(item: items[$0], imported: weights.isEmpty ? 1 : weights[$0]) }
  }

  /// What it takes to remember it, in numbers of four bytes.
  public var numbers: Int { 64 + entries.count * MemoryLayout<Entry>.stride / 4 }

  /// One more event.
  ///
  /// - Parameter kind: `nil` weighs 1, as an event of a table without kinds does.
  public mutating func append(_ item: Int32, _ kind: EventKind?) {
    var entry = Entry(item: item)
    if let place = entries.lastIndex(where: { $0.item == item }) { entry = entries.remove(at: place) }
    let place = kind.flatMap { EventKind.allCases.firstIndex(of: $0) } ?? Entry.plain
    entry.counts[place] &+= 1
    entries.append(entry)
  }

  /// An event that the imported weight counts already: its kind is known now, and that it is the newest.
  ///
  /// - Parameter weight: what was added for it.
  public mutating func recount(_ item: Int32, _ kind: EventKind?, weight: Float) {
    guard let place = entries.lastIndex(where: { $0.item == item }) else { return append(item, kind) }
    var entry = entries.remove(at: place)
    entry.imported = max(0, entry.imported - weight)
    entry.counts[kind.flatMap { EventKind.allCases.firstIndex(of: $0) } ?? Entry.plain] &+= 1
    entries.append(entry)
  }

  /// The history as a scorer sees it.
  public func history(_ weights: EventWeights = EventWeights()) -> UserHistory {
    let values = entries.map { $0.weight(weights) }
    return UserHistory(items: entries.map(\.item)[...], weights: values.allSatisfy { $0 == 1 } ? [] : values[...])
  }

  /// The same without one entry.
  func without(_ position: Int) -> ServedHistory {
    var rest = self
    rest.entries.remove(at: position)
    return rest
  }
}
