internal import CVectorKernels
internal import Glibc

/// The parameters that one user touches, gathered: rows of items by local number, and the dense block.
struct LocalParameters {
  let table: UnsafeMutablePointer<Float>
  let offsets: UnsafeMutablePointer<Float>
  let dense: UnsafeMutablePointer<Float>

  init(rows: Int, dimension: Int, dense: Int) {
    table = .allocate(capacity: max(1, rows * dimension))
    offsets = .allocate(capacity: max(1, rows))
    self.dense = .allocate(capacity: max(1, dense))
  }

  func deallocate() {
    table.deallocate()
    offsets.deallocate()
    dense.deallocate()
  }

  /// Calls `body` with each part and its length: the dense block, the rows, their offsets.
  func forEach(rows: Int, dimension: Int, dense count: Int, _ body: (UnsafeMutablePointer<Float>, Int) -> Void) {
    body(dense, count)
    body(table, rows * dimension)
    body(offsets, rows)
  }
}

/// Memory and bookkeeping of one user's local steps; reused from user to user, by one thread at a time.
final class NeuralWorkspace {
  /// The items behind the local rows: first those of the windows, then the negatives.
  private(set) var rows: [Int32] = []
  /// Sum of the steps, where there are several.
  private let change: LocalParameters
  private let parameters: NeuralParameters
  private let training: LocalTraining
  private let local: LocalParameters
  private let gradient: LocalParameters
  private let arena = Arena()
  /// The dense block that layers read: of a single step the public one, which nothing changes; else `local`'s.
  private var dense: UnsafeMutablePointer<Float>
  /// Where the entries of a change stand in the whole vector; the dense block's part never changes.
  private let places: UnsafeMutablePointer<UInt32>
  /// Local row by item; `unknown` where there is none, `seen` for items of the history outside the windows.
  private var rowOf: [Int32]
  /// First item of each step's window, as a position in the history.
  private var starts: [Int] = []
  /// How sure each of the user's interactions is; empty when all are 1.
  private var confidences: [Float] = []
  private var negativeStart = 0
  private var correction: Float = 0
  /// Features of the local rows, and their embeddings: own row and what the features add. Empty without features.
  private let features: UnsafeMutablePointer<Float>
  private let embeddings: UnsafeMutablePointer<Float>
  /// The last user's loss before the first step.
  private(set) var firstLoss = 0.0

  private static let unknown: Int32 = -1
  private static let seen: Int32 = -2

  init(parameters: NeuralParameters, training: LocalTraining) {
    self.parameters = parameters
    self.training = training
    let most = training.mostRows(itemCount: parameters.itemCount)
    func make() -> LocalParameters {
      LocalParameters(rows: most, dimension: parameters.dimension, dense: parameters.dense.count)
    }
    (change, local, gradient) = (make(), make(), make())
    dense = local.dense
    let count = parameters.dense.count
    places = .allocate(capacity: count + most * (parameters.dimension + 1))
    for index in 0..<count { places[index] = UInt32(parameters.denseStart + index) }
    features = .allocate(capacity: max(1, most * parameters.featureDimension))
    embeddings = .allocate(capacity: parameters.featureWeight == nil ? 1 : most * parameters.dimension)
    rowOf = [Int32](repeating: Self.unknown, count: parameters.itemCount)
    rows.reserveCapacity(most)
  }

  deinit {
    change.deallocate()
    local.deallocate()
    gradient.deallocate()
    places.deallocate()
    features.deallocate()
    embeddings.deallocate()
  }

  /// Draws windows and negatives, and gathers the parameters that they touch.
  ///
  /// - Parameter global: in use until the last step is made.
  func prepare(_ user: UserHistory, global: UnsafeBufferPointer<Float>, generator: inout SplitMix64) {
    confidences = user.weights.isEmpty ? [] : user.confidences
    rows.removeAll(keepingCapacity: true)
    starts.removeAll(keepingCapacity: true)
    var seen = 0
    for item in user.items where rowOf[Int(item)] == Self.unknown {
      rowOf[Int(item)] = Self.seen
      seen += 1
    }
    let spare = user.items.count - (training.window + 1)
    for _ in 0..<training.steps {
      let start = user.items.startIndex + (spare > 0 ? generator.uniform(below: spare + 1) : 0)
      starts.append(start)
      for item in user.items[start..<min(start + training.window + 1, user.items.endIndex)]
      where rowOf[Int(item)] == Self.seen {
        rowOf[Int(item)] = Int32(rows.count)
        rows.append(item)
      }
    }
    negativeStart = rows.count
    drawNegatives(seen: seen, generator: &generator)
    gather(global)
    for item in user.items { rowOf[Int(item)] = Self.unknown }
    // Rows of the windows are looked up again in each step.
    for (row, item) in rows[..<negativeStart].enumerated() { rowOf[Int(item)] = Int32(row) }
  }

  /// Unseen items, uniform without replacement.
  private func drawNegatives(seen: Int, generator: inout SplitMix64) {
    let free = parameters.itemCount - seen
    let count = min(training.negatives, free)
    correction = count > 0 ? Float(log(Double(free) / Double(count))) : 0
    if free <= 2 * count {
      for item in 0..<Int32(parameters.itemCount) where rowOf[Int(item)] == Self.unknown { rows.append(item) }
      for position in 0..<count where count < free {
        rows.swapAt(negativeStart + position, negativeStart + position + generator.uniform(below: free - position))
      }
      rows.removeLast(free - count)
    } else {
      rowOf.withUnsafeMutableBufferPointer { rowOf in
        for _ in 0..<count {
          var item = generator.uniform(below: rowOf.count)
          while rowOf[item] != Self.unknown { item = generator.uniform(below: rowOf.count) }
          rowOf[item] = Self.seen
          rows.append(Int32(item))
        }
      }
      for item in rows[negativeStart...] { rowOf[Int(item)] = Self.unknown }
    }
  }

  private func gather(_ global: UnsafeBufferPointer<Float>) {
    guard let base = global.baseAddress else { return }
    let d = parameters.dimension
    tacit_gather_rows_f32(base, d, rows, rows.count, local.table)
    tacit_gather_rows_f32(base + parameters.offsetStart, 1, rows, rows.count, local.offsets)
    if training.steps == 1 {
      dense = UnsafeMutablePointer(mutating: base + parameters.denseStart)
    } else {
      dense = local.dense
      dense.update(from: base + parameters.denseStart, count: parameters.dense.count)
    }
    if parameters.featureWeight != nil {
      tacit_gather_rows_f32(
        parameters.requiredFeatures.values, parameters.featureDimension, rows, rows.count, features)
    }
    forEachPart(of: gradient) { VectorMath.clear($0, count: $1) }
    if training.steps > 1 { forEachPart(of: change) { VectorMath.clear($0, count: $1) } }
  }

  /// The embeddings of the local rows as they are now.
  private func embed() -> UnsafeMutablePointer<Float> {
    guard let weight = parameters.featureWeight else { return local.table }
    embeddings.update(from: local.table, count: rows.count * parameters.dimension)
    DenseAlgebra.multiply(
      features, dense + weight, into: embeddings, rows: rows.count, columns: parameters.dimension,
      inner: parameters.featureDimension, beta: 1)
    return embeddings
  }

  /// Adds the gradient of one window's loss, the mean over a full window's positions.
  func step(_ index: Int, user: UserHistory, encoder: some SequenceEncoder, seed: UInt64) {
    arena.reset()
    let d = parameters.dimension
    let window = user.items[starts[index]..<min(starts[index] + training.window + 1, user.items.endIndex)]
    let length = window.count - 1
    let table = embed()
    let input = arena.floats(length * d)
    let inputRows = arena.records(Int32.self, length)
    let targets = arena.records(Int32.self, length)
    let weights = arena.floats(length)
    for position in 0..<length {
      let row = rowOf[Int(window[window.startIndex + position])]
      inputRows[position] = row
      targets[position] = rowOf[Int(window[window.startIndex + position + 1])]
      (input + position * d).update(from: table + Int(row) * d, count: d)
      let weight = confidences.isEmpty ? 1 : confidences[starts[index] - user.items.startIndex + position + 1]
      weights[position] = weight / Float(training.window)
    }
    let pass = Pass(
      parameters: dense, gradient: gradient.dense, arena: arena, dropout: training.dropout, seed: seed)
    let (hidden, cache) = encoder.forward(input, length: length, pass: pass)
    let head = SampledSoftmax(
      table: table, tableGradient: gradient.table, bias: local.offsets, biasGradient: gradient.offsets, dimension: d,
      negatives: negativeStart..<rows.count, correction: correction, tower: parameters.tower.map { ($0, pass) })
    let (value, dHidden) = head.run(hidden, targets: targets, weights: weights, length: length, arena: arena)
    if index == 0 { firstLoss = value }
    let dInput = encoder.backward(dHidden, cache, pass: pass)
    for position in 0..<length {
      VectorMath.add(dInput + position * d, to: gradient.table + Int(inputRows[position]) * d, count: d)
    }
    // What is said of embeddings holds for the own rows as it is, and for the matrix through the features.
    if let weight = parameters.featureWeight {
      DenseAlgebra.multiply(
        features, transposeA: true, gradient.table, into: gradient.dense + weight, rows: parameters.featureDimension, columns: d,
        inner: rows.count, beta: 1)
    }
  }

  /// One step against the gradient. The change is kept apart from the parameters, where small steps would be rounded away; of a
  /// single step it is the gradient, up to a factor.
  func descend(rate: Float, step: Int) {
    let isLast = step == training.steps - 1
    if isLast { for item in rows[..<negativeStart] { rowOf[Int(item)] = Self.unknown } }
    if training.steps == 1 { return }
    let (d, dense) = (parameters.dimension, parameters.dense.count)
    func move(
      _ source: UnsafeMutablePointer<Float>, _ target: UnsafeMutablePointer<Float>, _ moved: UnsafeMutablePointer<Float>,
      _ count: Int
    ) {
      VectorMath.add(source, times: -rate, to: target, count: count)
      if isLast { return }
      VectorMath.add(source, times: -rate, to: moved, count: count)
      VectorMath.clear(source, count: count)
    }
    move(gradient.dense, change.dense, local.dense, dense)
    move(gradient.table, change.table, local.table, rows.count * d)
    move(gradient.offsets, change.offsets, local.offsets, rows.count)
  }

  /// What the entries of `forEachChange` are multiplied with to be the change.
  func changeFactor(rate: Float) -> Float { training.steps == 1 ? -rate : 1 }

  /// Calls `body` with the parts of the change, up to `changeFactor`: the dense block, the rows, their offsets.
  func forEachChange(_ body: (UnsafeMutablePointer<Float>, Int) -> Void) {
    forEachPart(of: training.steps == 1 ? gradient : change, body)
  }

  /// L2 norm of the entries of `forEachChange`.
  func changeNorm() -> Double {
    var squares = 0.0
    forEachChange { part, count in
      // Short runs, so that Float32 sums stay accurate.
      for start in stride(from: 0, to: count, by: 1024) {
        squares += Double(VectorMath.dot(part + start, part + start, count: min(1024, count - start)))
      }
    }
    return squares.squareRoot()
  }

  /// Where the entries of `forEachChange` stand in the whole vector; valid until the next user.
  func indices() -> UnsafeBufferPointer<UInt32> {
    let (d, dense) = (parameters.dimension, parameters.dense.count)
    for (row, item) in rows.enumerated() {
      let (first, target) = (UInt32(Int(item) * d), places + dense + row * d)
      for column in 0..<d { target[column] = first &+ UInt32(truncatingIfNeeded: column) }
      places[dense + rows.count * d + row] = UInt32(parameters.offsetStart + Int(item))
    }
    return UnsafeBufferPointer(start: places, count: dense + rows.count * (d + 1))
  }

  private func forEachPart(of part: LocalParameters, _ body: (UnsafeMutablePointer<Float>, Int) -> Void) {
    part.forEach(rows: rows.count, dimension: parameters.dimension, dense: parameters.dense.count, body)
  }
}
