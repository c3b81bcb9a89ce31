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
      VectorMath.scale(part, by: scale, count: count)
      buffer.values.append(contentsOf: UnsafeBufferPointer(start: part, count: count))
    }
    buffer.indices.append(contentsOf: workspace.indices())
  }

  /// Users are worked on in parallel and added one after the other, in their order: the same bits on any number of cores.
  func accumulate(_ interactions: Interactions, seed: UInt64, into sum: inout [Double]) {
    // Few at a time, so that their contributions stay in the cache until they are added.
    let chunk = 8
    var buffers = [ContributionBuffer](repeating: ContributionBuffer(dimension: sum.count), count: chunk)
    for first in stride(from: 0, to: interactions.userCount, by: chunk) {
      let count = min(chunk, interactions.userCount - first)
      buffers.withUnsafeMutableBufferPointer { buffers in
        // A buffer belongs to one user.
        let buffers = buffers
        Parallel.forEachBlock(of: count, size: 2) { block in
          for index in block {
            buffers[index].removeAll()
            contribute(UserHistory(of: first + index, in: interactions, release: seed), into: &buffers[index])
          }
        }
      }
      for buffer in buffers[..<count] where !buffer.isEmpty { add(buffer, to: &sum) }
    }
  }

  /// Adds what `write` wrote; its parts are long runs of neighbouring entries.
  private func add(_ buffer: ContributionBuffer, to sum: inout [Double]) {
    let (d, dense) = (parameters.dimension, parameters.dense.count)
    let rows = (buffer.values.count - dense) / (d + 1)
    sum.withUnsafeMutableBufferPointer { sum in
      buffer.values.withUnsafeBufferPointer { values in
        func addRun(_ start: Int, _ position: Int, _ count: Int) {
          for index in 0..<count { sum[start + index] += Double(values[position + index]) }
        }
        addRun(parameters.denseStart, 0, dense)
        for row in 0..<rows {
          addRun(Int(buffer.indices[dense + row * d]), dense + row * d, d)
          addRun(Int(buffer.indices[dense + rows * d + row]), dense + rows * d + row, 1)
        }
      }
    }
  }
}
