internal import CVectorKernels

/// The local side of one sweep of `als`: solves each user and writes its sufficient statistics.
struct LeastSquaresTrainer: LocalTrainer {
  let solver: ImplicitUserSolver
  let layout: StatisticsLayout
  let userNormBound: Float

  func contribute(_ user: UserHistory, into buffer: inout ContributionBuffer) {
    guard !user.items.isEmpty else { return }
    let workspace = solver.makeWorkspace()
    let weights = user.confidences
    solver.solve(items: user.items, confidence: weights, workspace: workspace)
    let vector = Self.bounded(workspace.vector, dimension: layout.dimension, bound: userNormBound)
    for (item, weight) in zip(user.items, weights) {
      appendBlock(
        at: Int(item) * layout.block, vector, outer: weight - solver.objective.unobservedWeight,
        linear: weight,
        to: &buffer)
    }
    appendBlock(at: layout.global, vector, outer: 1, linear: nil, to: &buffer)
  }

  /// Appends [outer v vᵀ, linear v, count], without the linear part when it is nil.
  private func appendBlock(
    at start: Int, _ vector: [Float], outer: Float, linear: Float?, to buffer: inout ContributionBuffer
  ) {
    let order = layout.dimension
    for row in 0..<order {
      let scaled = outer * vector[row]
      for column in row..<order { buffer.values.append(scaled * vector[column]) }
    }
    if let linear { for row in 0..<order { buffer.values.append(linear * vector[row]) } }
    buffer.values.append(StatisticsLayout.countUnit)
    let length = layout.triangle + (linear == nil ? 0 : order) + 1
    buffer.indices.append(contentsOf: UInt32(start)..<UInt32(start + length))
  }

  /// p / bound, scaled down to length 1 where it is longer.
  static func bounded(_ vector: [Float], dimension: Int, bound: Float) -> [Float] {
    let norm = tacit_dot_f32(vector, vector, dimension).squareRoot()
    let scale = 1 / max(bound, norm)
    return vector.map { $0 * scale }
  }

  /// The same sums by items instead of by users: solve everybody, then add up each item's block while it is
  /// in the cache.
  func accumulate(_ interactions: Interactions, seed: UInt64, into sum: inout [Double]) {
    precondition(sum.count == layout.count, "a sweep's sum has \(layout.count) entries, not \(sum.count)")
    let solved = SolvedUsers(
      interactions, solver: solver, userNormBound: userNormBound)
    let byItem = ItemMajorIndex(interactions)
    sum.withUnsafeMutableBufferPointer { sum in
      // Items write to blocks of their own, so the threads never meet.
      let sum = sum
      Parallel.forEachBlock(of: layout.itemCount, size: 32) { items in
        var block = BlockSum(layout: layout, stride: solved.vectors.stride)
        for item in items {
          let range = byItem.offsets[item]..<byItem.offsets[item + 1]
          guard !range.isEmpty else { continue }
          // Without weights all confidences are one number.
          let weights =
            byItem.positions.isEmpty
            ? [Float](solved.confidence[..<range.count]) : byItem.positions[range].map { solved.confidence[Int($0)] }
          block.add(
            users: byItem.users[range], of: solved.vectors, confidence: weights,
            unobservedWeight: solver.objective.unobservedWeight)
          block.flush(into: sum, at: item * layout.block)
        }
      }
      var global = BlockSum(layout: layout, stride: solved.vectors.stride)
      let active = (0..<Int32(interactions.userCount)).filter { !interactions.history(of: Int($0)).isEmpty }
      global.add(users: active[...], of: solved.vectors, confidence: nil, unobservedWeight: 0)
      global.flush(into: sum, at: layout.global)
    }
  }
}

/// The vectors of a set of users, solved in parallel.
struct SolvedUsers: Sendable {
  /// Row u is v of user u: p / bound, no longer than 1; zero for an empty history.
  let vectors: PaddedTable
  /// Confidence of every interaction.
  let confidence: [Float]

  /// - Parameter visit: called for each user with interactions, on one of many threads, with its row (padded) and its confidences.
  init(
    _ interactions: Interactions, solver: ImplicitUserSolver, userNormBound: Float,
    visit: (_ user: Int, _ vector: [Float], _ confidence: [Float]) -> Void = { _, _, _ in }
  ) {
    let dimension = solver.factors.dimension
    var vectors = PaddedTable(rowCount: interactions.userCount, dimension: dimension)
    var confidence = [Float](repeating: 0, count: interactions.count)
    let stride = vectors.stride
    vectors.values.withUnsafeMutableBufferPointer { vectors in
      confidence.withUnsafeMutableBufferPointer { confidence in
        // Every user has its own row and its own interactions.
        let (vectors, confidence) = (vectors, confidence)
        Parallel.forEachBlock(of: interactions.userCount, size: 64) { users in
          let workspace = solver.makeWorkspace()
          for user in users {
            let items = interactions.history(of: user)
            guard !items.isEmpty else { continue }
            let weights = UserHistory(items: items, weights: interactions.weights(of: user)).confidences
            solver.solve(items: items, confidence: weights, workspace: workspace)
            let vector = LeastSquaresTrainer.bounded(
              workspace.vector, dimension: dimension, bound: userNormBound)
            for column in 0..<stride { vectors[user * stride + column] = vector[column] }
            let first = interactions.offsets[user]
            for (offset, weight) in weights.enumerated() { confidence[first + offset] = weight }
            visit(user, vector, weights)
          }
        }
      }
    }
    self.vectors = vectors
    self.confidence = confidence
  }
}

/// One block of statistics while it is summed.
private struct BlockSum {
  private let layout: StatisticsLayout
  private let stride: Int
  private var outer: [Float]
  private var linear: [Float]
  private var hasLinear = false
  private var count = 0

  init(layout: StatisticsLayout, stride: Int) {
    self.layout = layout
    self.stride = stride
    outer = [Float](repeating: 0, count: stride * stride)
    linear = [Float](repeating: 0, count: stride)
  }

  /// - Parameter confidence: one per user, or nil for the global block (weight 1, no linear part).
  mutating func add(
    users: ArraySlice<Int32>, of vectors: PaddedTable, confidence: [Float]?, unobservedWeight: Float
  ) {
    users.withUnsafeBufferPointer { users in
      guard let confidence else {
        tacit_weighted_gram_f32(vectors.values, stride, users.baseAddress, nil, users.count, nil, &outer)
        return
      }
      hasLinear = true
      let excess = confidence.map { $0 - unobservedWeight }
      tacit_weighted_gram_f32(vectors.values, stride, users.baseAddress, excess, users.count, nil, &outer)
      tacit_gathered_sum_f32(vectors.values, stride, users.baseAddress, confidence, users.count, &linear)
    }
    count += users.count
  }

  /// Adds the block to `sum` and clears it.
  mutating func flush(into sum: UnsafeMutableBufferPointer<Double>, at start: Int) {
    guard var target = sum.baseAddress else { return }
    target += start
    outer.withUnsafeMutableBufferPointer { outer in
      guard let rows = outer.baseAddress else { return }
      for row in 0..<layout.dimension {
        tacit_add_scaled_f64(target, 1, rows + row * stride + row, layout.dimension - row)
        target += layout.dimension - row
      }
      outer.update(repeating: 0)
    }
    if hasLinear {
      tacit_add_scaled_f64(target, 1, linear, layout.dimension)
      target += layout.dimension
      for index in linear.indices { linear[index] = 0 }
    }
    target.pointee += Double(StatisticsLayout.countUnit) * Double(count)
    count = 0
  }
}
