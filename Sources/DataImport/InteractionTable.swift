/// The rows of an interaction file while it is being read: 16 bytes for each, 20 where there are weights, whatever its ids and times
/// look like.
///
/// Rows lie in buckets by the low bits of the user's number, so that they can be grouped by user bucket after bucket, each
/// within the processor's cache, and a bucket's memory goes back as soon as it is grouped.
final class InteractionTable {
  fileprivate struct Row {
    let user: Int32
    let item: Int32
    /// What histories are sorted by; -infinity where unknown.
    let key: Double
  }

  fileprivate struct Chunk {
    let rows: UnsafeMutablePointer<Row>
    /// `nil` while every weight is 1.
    var weights: UnsafeMutablePointer<Float>?

    func deallocate() {
      rows.deallocate()
      weights?.deallocate()
    }
  }

  fileprivate struct Bucket {
    var chunks: [Chunk] = []
    /// Rows in the last chunk; a whole chunk where there is none.
    var lastCount = InteractionTable.chunkSize

    var count: Int { (chunks.count - 1) * InteractionTable.chunkSize + lastCount }

    /// The rows of chunk `index`.
    func count(ofChunk index: Int) -> Int { index + 1 < chunks.count ? InteractionTable.chunkSize : lastCount }
  }

  private(set) var count = 0
  private(set) var hasWeights = false
  fileprivate let buckets: UnsafeMutablePointer<Bucket>

  fileprivate static let bucketBits = 8
  fileprivate static let bucketCount = 1 << bucketBits
  fileprivate static let chunkSize = 1_024

  init() {
    buckets = .allocate(capacity: Self.bucketCount)
    buckets.initialize(repeating: Bucket(), count: Self.bucketCount)
  }

  deinit {
    for bucket in 0..<Self.bucketCount { free(bucket) }
    buckets.deinitialize(count: Self.bucketCount)
    buckets.deallocate()
  }

  /// - Parameters:
  ///   - user: number of the user, from 0.
  ///   - item: number of the item, from 0.
  ///   - weight: confidence, positive and finite.
  ///   - key: what the history is sorted by, smallest first; no NaN.
  func append(user: Int32, item: Int32, weight: Float, key: Double) {
    let bucket = buckets + (Int(user) & (Self.bucketCount - 1))
    if bucket.pointee.lastCount == Self.chunkSize {
      bucket.pointee.chunks.append(Chunk(rows: .allocate(capacity: Self.chunkSize), weights: nil))
      bucket.pointee.lastCount = 0
    }
    let last = bucket.pointee.chunks.count - 1
    let place = bucket.pointee.lastCount
    (bucket.pointee.chunks[last].rows + place).initialize(to: Row(user: user, item: item, key: key))
    if let weights = bucket.pointee.chunks[last].weights {
      (weights + place).initialize(to: weight)
    } else if weight != 1 {
      let weights = UnsafeMutablePointer<Float>.allocate(capacity: Self.chunkSize)
      weights.initialize(repeating: 1, count: Self.chunkSize)
      weights[place] = weight
      bucket.pointee.chunks[last].weights = weights
      hasWeights = true
    }
    bucket.pointee.lastCount = place + 1
    count += 1
  }

  /// How rows that repeat a (user, item) pair are treated.
  enum Repeats {
    /// The oldest counts, later ones are dropped.
    case keepFirst
    /// Weights are added up; the pair stands where its last row stands.
    case aggregate
  }

  /// The distinct items of each user, oldest first, rows of equal age in the file's order. The table is empty afterwards.
  ///
  /// - Parameters:
  ///   - userIndex: table's user number → index in the result.
  ///   - itemIndex: the same for items, negative for items to leave out.
  func drain(
    userCount: Int, itemCount: Int, userIndex: [Int32], itemIndex: [Int32], repeats: Repeats
  ) -> GroupedInteractions {
    var outside = 0
    var starts = [Int](repeating: 0, count: userCount + 1)
    for bucket in 0..<Self.bucketCount {
      forEachRow(of: bucket) { row, _ in
        if itemIndex[Int(row.item)] < 0 { outside += 1 } else { starts[Int(userIndex[Int(row.user)]) + 1] += 1 }
      }
    }
    for user in 0..<userCount { starts[user + 1] += starts[user] }
    var grouper = Grouper(
      starts: starts, itemCount: itemCount, hasWeights: hasWeights || repeats == .aggregate, repeats: repeats)
    var sorted: [Entry] = []
    var ends: [Int] = []
    for bucket in 0..<Self.bucketCount where buckets[bucket].count > 0 {
      // A counting sort by user; users of a bucket have numbers that differ above the bucket's bits.
      ends.removeAll(keepingCapacity: true)
      forEachRow(of: bucket) { row, _ in
        guard itemIndex[Int(row.item)] >= 0 else { return }
        let user = Int(row.user) >> Self.bucketBits
        while ends.count <= user { ends.append(0) }
        ends[user] += 1
      }
      var total = 0
      for user in ends.indices { (ends[user], total) = (total, total + ends[user]) }
      if sorted.count < total { sorted = [Entry](repeating: Entry(item: 0, weight: 1, key: 0), count: total) }
      forEachRow(of: bucket) { row, weight in
        let item = itemIndex[Int(row.item)]
        guard item >= 0 else { return }
        let user = Int(row.user) >> Self.bucketBits
        sorted[ends[user]] = Entry(item: item, weight: weight, key: row.key)
        ends[user] += 1
      }
      free(bucket)
      var first = 0
      for user in ends.indices where ends[user] > first {
        grouper.add(&sorted, first..<ends[user], as: Int(userIndex[user << Self.bucketBits | bucket]))
        first = ends[user]
      }
    }
    count = 0
    return grouper.finish(outside: outside)
  }

  @inline(__always)
  private func forEachRow(of bucket: Int, _ body: (Row, _ weight: Float) -> Void) {
    for index in buckets[bucket].chunks.indices {
      let chunk = buckets[bucket].chunks[index]
      let count = buckets[bucket].count(ofChunk: index)
      if let weights = chunk.weights {
        for place in 0..<count { body(chunk.rows[place], weights[place]) }
      } else {
        for place in 0..<count { body(chunk.rows[place], 1) }
      }
    }
  }

  private func free(_ bucket: Int) {
    for chunk in buckets[bucket].chunks { chunk.deallocate() }
    buckets[bucket] = Bucket()
  }
}

/// The rows of a table by user: compressed sparse rows, as `Interactions` holds them.
struct GroupedInteractions {
  /// `userCount + 1` positions into `items`.
  let offsets: [Int]
  /// Distinct items of each user, oldest first.
  let items: [Int32]
  /// As long as `items`; empty where all weights are 1.
  let weights: [Float]
  /// Rows that repeated a pair of user and item.
  let repeated: Int
  /// Rows whose item was left out.
  let outside: Int

  func history(of user: Int) -> ArraySlice<Int32> { items[offsets[user]..<offsets[user + 1]] }

  func weights(of user: Int) -> ArraySlice<Float> {
    weights.isEmpty ? [] : weights[offsets[user]..<offsets[user + 1]]
  }
}

/// One row of a known user.
private struct Entry {
  let item: Int32
  let weight: Float
  let key: Double
}

/// Sorts the rows of one user after another and merges those that repeat a pair.
private struct Grouper {
  /// Where each user's rows would begin if none repeated a pair.
  private let starts: [Int]
  private let repeats: InteractionTable.Repeats
  private let hasWeights: Bool
  /// Distinct items of each user so far.
  private var lengths: [Int32]
  private var items: [Int32]
  private var weights: [Float]
  private var repeated = 0
  /// Item → user that it was met with last.
  private var mark: [Int32]
  private var total: [Float]

  init(starts: [Int], itemCount: Int, hasWeights: Bool, repeats: InteractionTable.Repeats) {
    self.starts = starts
    self.repeats = repeats
    self.hasWeights = hasWeights
    lengths = [Int32](repeating: 0, count: starts.count - 1)
    items = [Int32](repeating: 0, count: starts[starts.count - 1])
    weights = hasWeights ? [Float](repeating: 1, count: items.count) : []
    mark = [Int32](repeating: -1, count: itemCount)
    total = [Float](repeating: 0, count: itemCount)
  }

  mutating func add(_ rows: inout [Entry], _ own: Range<Int>, as user: Int) {
    Self.sort(&rows, own)
    let start = starts[user]
    var write = start
    switch repeats {
    case .keepFirst:
      for place in own {
        let row = rows[place]
        guard mark[Int(row.item)] != user else {
          repeated += 1
          continue
        }
        mark[Int(row.item)] = Int32(user)
        items[write] = row.item
        if hasWeights { weights[write] = row.weight }
        write += 1
      }
    case .aggregate:
      for place in own.reversed() {
        let row = rows[place]
        if mark[Int(row.item)] == user {
          repeated += 1
          total[Int(row.item)] += row.weight
        } else {
          mark[Int(row.item)] = Int32(user)
          total[Int(row.item)] = row.weight
          items[write] = row.item
          write += 1
        }
      }
      items[start..<write].reverse()
      for place in start..<write { weights[place] = total[Int(items[place])] }
    }
    lengths[user] = Int32(write - start)
  }

  consuming func finish(outside: Int) -> GroupedInteractions {
    var offsets = [0]
    offsets.reserveCapacity(starts.count)
    var write = 0
    for user in lengths.indices {
      let start = starts[user]
      if write < start {
        for place in 0..<Int(lengths[user]) {
          items[write + place] = items[start + place]
          if hasWeights { weights[write + place] = weights[start + place] }
        }
      }
      write += Int(lengths[user])
      offsets.append(write)
    }
    items.removeLast(items.count - write)
    if hasWeights { weights.removeLast(weights.count - write) }
    if weights.allSatisfy({ $0 == 1 }) { weights = [] }
    return GroupedInteractions(offsets: offsets, items: items, weights: weights, repeated: repeated, outside: outside)
  }

  /// By key, rows of equal key as they came.
  private static func sort(_ rows: inout [Entry], _ own: Range<Int>) {
    var isSorted = true
    for place in own.dropFirst() where rows[place - 1].key > rows[place].key {
      isSorted = false
      break
    }
    guard !isSorted else { return }
    let unsorted = Array(rows[own])
    let order = unsorted.indices.sorted { (unsorted[$0].key, $0) < (unsorted[$1].key, $1) }
    for (place, origin) in zip(own, order) { rows[place] = unsorted[origin] }
  }
}
