internal import Glibc

/// Cross entropy of the next item against the same drawn negatives at every position.
///
/// A position's probabilities run over its target and the negatives, whose scores are raised by log(unseen items / negatives):
/// the normaliser then estimates that of a softmax over the target and everything that the user has not seen, and is it when
/// all are drawn. One negative per position, as in the first SASRec, loses 20-30 % (Petrov and Macdonald, RecSys 2023).
package struct SampledSoftmax {
  /// Embeddings by local row, `dimension` floats each, and where their gradient adds up.
  package let table: UnsafeMutablePointer<Float>
  package let tableGradient: UnsafeMutablePointer<Float>
  /// Offsets of the scores by local row, and their gradient.
  package let bias: UnsafeMutablePointer<Float>
  package let biasGradient: UnsafeMutablePointer<Float>
  package let dimension: Int
  /// Local rows of the negatives.
  package let negatives: Range<Int>
  /// log(unseen items / negatives); 0 when all are drawn.
  package let correction: Float
  /// A perceptron whose scores are added, with the pass that its parameters are in (`ncf`).
  package let tower: (layer: PairTower, pass: Pass)?

  package init(
    table: UnsafeMutablePointer<Float>, tableGradient: UnsafeMutablePointer<Float>, bias: UnsafeMutablePointer<Float>,
    biasGradient: UnsafeMutablePointer<Float>, dimension: Int, negatives: Range<Int>, correction: Float,
    tower: (layer: PairTower, pass: Pass)? = nil
  ) {
    (self.table, self.tableGradient, self.bias, self.biasGradient) = (table, tableGradient, bias, biasGradient)
    (self.dimension, self.negatives, self.correction) = (dimension, negatives, correction)
    self.tower = tower
  }

  /// Adds the gradient of the weighted loss.
  ///
  /// - Parameters:
  ///   - hidden: length × dimension.
  ///   - targets: local row of each position's target; `weights`: what each position counts.
  /// - Returns: the weighted loss in nats, and its derivative with respect to `hidden`, in the arena.
  package func run(
    _ hidden: UnsafeMutablePointer<Float>, targets: UnsafePointer<Int32>, weights: UnsafePointer<Float>, length: Int,
    arena: Arena
  ) -> (loss: Double, gradient: UnsafeMutablePointer<Float>) {
    let count = negatives.count
    // Entries that the scalar product takes; the others are the tower's.
    let factors = tower?.layer.factors ?? dimension
    let session = tower.map {
      PairTower.Session(
        $0.layer, states: hidden, length: length, table: table, rows: negatives.upperBound, candidates: 1 + count, pass: $0.pass)
    }
    let scores = arena.floats(max(1, length * count))
    let others = table + negatives.lowerBound * dimension
    let (otherBias, otherBiasGradient) = (bias + negatives.lowerBound, biasGradient + negatives.lowerBound)
    let (states, otherRows) = (MatrixView(hidden, stride: dimension), MatrixView(others, stride: dimension))
    if factors == dimension {
      DenseAlgebra.multiply(
        hidden, transposing: others, scratch: arena.floats(max(1, count * dimension)), into: scores, rows: length, columns: count,
        inner: dimension)
    } else {
      DenseAlgebra.multiply(
        states, otherRows, transposeB: true, into: MatrixView(scores, stride: max(1, count)), rows: length, columns: count,
        inner: factors)
    }
    let gradient = arena.zeros(length * dimension)
    var loss = 0.0
    for position in 0..<length {
      let (own, row, weight) = (scores + position * count, Int(targets[position]), weights[position])
      let (state, target) = (hidden + position * dimension, table + row * dimension)
      VectorMath.add(otherBias, to: own, count: count)
      var score = VectorMath.dot(state, target, count: factors) + bias[row]
      if let session { score += session.add(position: position, target: row, negatives: negatives, to: own) }
      let largest = max(score, VectorMath.maximum(own, count: count) + correction)
      let ownPart = Float(exp(Double(score - largest)))
      let othersPart = VectorMath.exponentials(of: own, minus: largest - correction, into: own, count: count)
      let total = othersPart + ownPart
      loss += Double(weight) * (log(Double(total)) - Double(score - largest))
      VectorMath.scale(own, by: weight / total, count: count)
      // p - 1 from the others' share: exact also where p is nearly 1.
      let pull = -weight * othersPart / total
      VectorMath.add(own, to: otherBiasGradient, count: count)
      biasGradient[row] += pull
      VectorMath.add(state, times: pull, to: tableGradient + row * dimension, count: factors)
      session?.backward(position: position, target: row, pull: pull, negatives: negatives, own: own)
      let back = gradient + position * dimension
      for column in 0..<factors { back[column] = pull * target[column] }
    }
    if count > 0 {
      let weights = MatrixView(scores, stride: count)
      DenseAlgebra.multiply(
        weights, otherRows, into: MatrixView(gradient, stride: dimension), rows: length, columns: factors, inner: count, beta: 1)
      DenseAlgebra.multiply(
        weights, transposeA: true, states,
        into: MatrixView(tableGradient + negatives.lowerBound * dimension, stride: dimension), rows: count, columns: factors,
        inner: length, beta: 1)
    }
    session?.finish(dStates: gradient, dTable: tableGradient)
    return (loss, gradient)
  }
}
