internal import Glibc

/// One user's round: a few gradient steps on the user's own sequence, from the public parameters.
///
/// The contribution is the change of the parameters: the rows of the items that were targets, inputs or negatives, and the
/// dense block, cut to L2 norm `updateBound` and divided by it. It depends on the model, the user's items and the public seed.
struct NeuralTrainer<Encoder: SequenceEncoder>: LocalTrainer {
  private let encoder: Encoder
  private let parameters: NeuralParameters
  private let training: LocalTraining
  private let vector: [Float]
  private let pool: WorkspacePool<NeuralWorkspace>

  init(encoder: Encoder, parameters: NeuralParameters, training: LocalTraining, model: ItemModel) {
    self.encoder = encoder
    self.parameters = parameters
    self.training = training
    vector = parameters.vector(of: model)
    pool = WorkspacePool { NeuralWorkspace(parameters: parameters, training: training) }
  }

  func contribute(_ user: UserHistory, into buffer: inout ContributionBuffer) {
    pool.withWorkspace { workspace in
      guard let scale = change(of: user, workspace: workspace) else { return }
      write(workspace, scale: scale, into: &buffer)
    }
  }

  /// The change of the parameters of one user, and what it is multiplied with to become the contribution.
  private func change(of user: UserHistory, workspace: NeuralWorkspace) -> Float? {
    guard user.items.count >= 2 else { return nil }
    var generator = SplitMix64(seed: user.seed)
    guard generator.nextUnit() < training.participation else { return nil }
    vector.withUnsafeBufferPointer { vector in
      workspace.prepare(user, global: vector, generator: &generator)
      for step in 0..<training.steps {
        workspace.step(step, user: user, encoder: encoder, seed: generator.next())
        workspace.descend(rate: training.rate, step: step)
      }
    }
    let norm = workspace.changeNorm() * Double(abs(workspace.changeFactor(rate: training.rate)))
    // Parameters that somebody sent may overflow; then there is nothing to say.
    guard norm.isFinite, norm > 0 else { return nil }
    let cut = min(1, Double(training.updateBound) / norm)
    return workspace.changeFactor(rate: training.rate) * Float(cut / Double(training.updateBound))
  }

  /// The loss that a user's first step descends from: nats, summed over positions, over the length of a full window.
  func loss(of user: UserHistory) -> Double {
    pool.withWorkspace { change(of: user, workspace: $0) == nil ? 0 : $0.firstLoss }
  }

  /// The dense block first, then the rows of the items touched, then their offsets.
  private func write(_ workspace: NeuralWorkspace, scale: Float, into buffer: inout ContributionBuffer) {
    buffer.values.reserveCapacity(parameters.dense.count + workspace.rows.count * (parameters.dimension + 1))
    workspace.forEachChange { part, count in
      buffer.values.append(addingCapacity: count) { span in
        span.withUnsafeMutableBufferPointer { target, written in
          if let target = target.baseAddress { VectorMath.scaled(part, by: scale, into: target, count: count) }
          written = count
        }
      }
    }
    buffer.indices.append(contentsOf: workspace.indices())
  }

  /// Users are worked on in parallel and added one after the other, in their order: the same bits on any number of cores.
  func accumulate(_ interactions: Interactions, seed: UInt64, into sum: inout [Double]) {
    // Few at a time, so that their changes stay in the cache until they are added.
    let chunk = 8
    var changes = [UserChange](repeating: UserChange(), count: chunk)
    for first in stride(from: 0, to: interactions.userCount, by: chunk) {
      let count = min(chunk, interactions.userCount - first)
      changes.withUnsafeMutableBufferPointer { changes in
        // A change belongs to one user.
        let changes = changes
        Parallel.forEachBlock(of: count, size: 2) { block in
          for index in block {
            pool.withWorkspace { workspace in
              let user = UserHistory(of: first + index, in: interactions, release: seed)
              changes[index].take(workspace, scale: change(of: user, workspace: workspace))
            }
          }
        }
      }
      add(changes[..<count].filter { !$0.values.isEmpty }, to: &sum)
    }
  }

  /// Each entry of the sum meets the changes in their order.
  private func add(_ changes: [UserChange], to sum: inout [Double]) {
    sum.withUnsafeMutableBufferPointer { sum in
      guard let target = sum.baseAddress else { return }
      // In pieces, so that a piece of the sum stays in the nearest cache until all have been added.
      for first in stride(from: 0, to: parameters.dense.count, by: 1024) {
        let count = min(1024, parameters.dense.count - first)
        for change in changes {
          change.values.withUnsafeBufferPointer { values in
            guard let source = values.baseAddress else { return }
            VectorMath.add(source + first, times: change.scale, to: target + parameters.denseStart + first, count: count)
          }
        }
      }
      for change in changes { addRows(of: change, to: target) }
    }
  }

  private func addRows(of change: UserChange, to target: UnsafeMutablePointer<Double>) {
    let (d, rows) = (parameters.dimension, change.rows.count)
    change.values.withUnsafeBufferPointer { values in
      guard let source = values.baseAddress else { return }
      let table = source + parameters.dense.count
      let offsets = table + rows * d
      for (row, item) in change.rows.enumerated() {
        VectorMath.add(table + row * d, times: change.scale, to: target + Int(item) * d, count: d)
        target[parameters.offsetStart + Int(item)] += Double(change.scale * offsets[row])
      }
    }
  }
}

/// One user's contribution before it is scaled, without the place of each entry: the dense block, the rows of `rows`, their offsets.
private struct UserChange {
  var scale: Float = 0
  var rows: [Int32] = []
  var values: [Float] = []

  /// - Parameter scale: `nil` of a user with nothing to say.
  mutating func take(_ workspace: NeuralWorkspace, scale: Float?) {
    values.removeAll(keepingCapacity: true)
    rows.removeAll(keepingCapacity: true)
    guard let scale else { return }
    self.scale = scale
    rows.append(contentsOf: workspace.rows)
    workspace.forEachChange { part, count in
      values.append(contentsOf: UnsafeBufferPointer(start: part, count: count))
    }
  }
}
