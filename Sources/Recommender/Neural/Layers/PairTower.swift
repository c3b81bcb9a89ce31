/// The perceptron of neural collaborative filtering over pairs of a user's state and an item (He et al., WWW 2017, §3.3-3.4).
///
/// φ(u, i) = w₃ · relu(relu(p W_u + q W_i + b₁) W₂ + b₂), with p and q the last `inputs` entries of the user's state and of the item's
/// embedding: the first layer over [p; q] written as two products, so that neither is computed once per pair. The entries before them
/// are the factors of GMF, whose weights h (eq. 9) are part of the linear layer that the state comes from.
package struct PairTower: Sendable, Equatable {
  /// Length d of an embedding and of a state.
  package let dimension: Int
  /// Entries at their end that the tower reads.
  package let inputs: Int
  /// Units of the two layers.
  package let first: Int
  package let second: Int
  private let user: Int
  private let item: Int
  private let firstBias: Int
  private let secondWeight: Int
  private let secondBias: Int
  private let output: Int

  /// Entries of an embedding that the scalar product takes.
  package var factors: Int { dimension - inputs }
  /// Embeddings are short, of about 1/√d an entry: as in the encoders they are lengthened on their way in.
  private var itemScale: Float { Float(dimension).squareRoot() }

  package init(dimension: Int, inputs: Int, first: Int, layout: inout ParameterLayout) {
    (self.dimension, self.inputs, self.first, second) = (dimension, inputs, first, max(1, first / 2))
    // Deviations as of layers that a rectifier follows, the first one's inputs being p and q together.
    let (gain, width) = (Float(2).squareRoot(), Float(2 * inputs).squareRoot())
    user = layout.add("tower-user-weight", [inputs, first], .normal(gain / width))
    item = layout.add("tower-item-weight", [inputs, first], .normal(gain / width))
    firstBias = layout.add("tower-first-bias", [first], .constant(0))
    secondWeight = layout.add("tower-second-weight", [first, second], .normal(gain / Float(first).squareRoot()))
    secondBias = layout.add("tower-second-bias", [second], .constant(0))
    output = layout.add("tower-output-weight", [second], .normal(1 / Float(second).squareRoot()))
  }

  /// What the tower makes of states: p W_u + b₁, rows × `first`.
  func userSide(
    of states: UnsafeMutablePointer<Float>, rows: Int, parameters: UnsafeMutablePointer<Float>,
    into target: UnsafeMutablePointer<Float>
  ) {
    for row in 0..<rows { (target + row * first).update(from: parameters + firstBias, count: first) }
    DenseAlgebra.multiply(
      MatrixView(states + factors, stride: dimension), MatrixView(parameters + user, stride: first),
      into: MatrixView(target, stride: first), rows: rows, columns: first, inner: inputs, beta: 1)
  }

  /// What the tower makes of embeddings: q W_i, rows × `first`.
  func itemSide(
    of table: UnsafeMutablePointer<Float>, rows: Int, parameters: UnsafeMutablePointer<Float>,
    into target: UnsafeMutablePointer<Float>
  ) {
    DenseAlgebra.multiply(
      MatrixView(table + factors, stride: dimension), MatrixView(parameters + item, stride: first),
      into: MatrixView(target, stride: first), rows: rows, columns: first, inner: inputs, alpha: itemScale)
  }

  /// φ of one user and `count` items whose sides lie one after the other.
  ///
  /// - Parameters:
  ///   - z: count × `first`, left with the first layer's units; `y`: count × `second`, with the second's.
  func scores(
    user side: UnsafePointer<Float>, items: UnsafePointer<Float>, count: Int, parameters: UnsafePointer<Float>,
    z: UnsafeMutablePointer<Float>, y: UnsafeMutablePointer<Float>, into scores: UnsafeMutablePointer<Float>
  ) {
    for index in 0..<count {
      VectorMath.rectifiedSum(side, items + index * first, into: z + index * first, count: first)
      (y + index * second).update(from: parameters + secondBias, count: second)
    }
    DenseAlgebra.multiply(z, parameters + secondWeight, into: y, rows: count, columns: second, inner: first, beta: 1)
    Rectifier.forward(y, count: count * second)
    DenseAlgebra.multiply(y, vector: parameters + output, into: scores, rows: count, columns: second)
  }

  /// One user's pass: all positions against the same items.
  package struct Session {
    private let tower: PairTower
    private let pass: Pass
    private let states: UnsafeMutablePointer<Float>
    private let length: Int
    private let table: UnsafeMutablePointer<Float>
    private let rows: Int
    private let users: UnsafeMutablePointer<Float>
    private let items: UnsafeMutablePointer<Float>
    private let dUsers: UnsafeMutablePointer<Float>
    private let dItems: UnsafeMutablePointer<Float>
    // Of one position: its target first, then the negatives.
    private let z: UnsafeMutablePointer<Float>
    private let y: UnsafeMutablePointer<Float>
    private let dz: UnsafeMutablePointer<Float>
    private let dy: UnsafeMutablePointer<Float>
    private let scores: UnsafeMutablePointer<Float>

    /// - Parameters:
    ///   - states: length × d; `table`: rows × d.
    ///   - candidates: the most items that a position is compared with.
    package init(
      _ tower: PairTower, states: UnsafeMutablePointer<Float>, length: Int, table: UnsafeMutablePointer<Float>, rows: Int,
      candidates: Int, pass: Pass
    ) {
      (self.tower, self.pass, self.states, self.length, self.table, self.rows) = (tower, pass, states, length, table, rows)
      let arena = pass.arena
      users = arena.floats(length * tower.first)
      items = arena.floats(rows * tower.first)
      dUsers = arena.zeros(length * tower.first)
      dItems = arena.zeros(rows * tower.first)
      (z, dz) = (arena.floats(candidates * tower.first), arena.floats(candidates * tower.first))
      (y, dy) = (arena.floats(candidates * tower.second), arena.floats(candidates * tower.second))
      scores = arena.floats(candidates)
      tower.userSide(of: states, rows: length, parameters: pass.parameters, into: users)
      tower.itemSide(of: table, rows: rows, parameters: pass.parameters, into: items)
    }

    /// Adds φ to the scores of one position.
    ///
    /// - Parameter own: the negatives' scores.
    /// - Returns: φ of the target.
    func add(position: Int, target: Int, negatives: Range<Int>, to own: UnsafeMutablePointer<Float>) -> Float {
      let first = tower.first
      let user = users + position * first
      // The target's side stands before the negatives' ones in z: two calls write one block.
      tower.scores(
        user: user, items: items + target * first, count: 1, parameters: pass.parameters, z: z, y: y, into: scores)
      tower.scores(
        user: user, items: items + negatives.lowerBound * first, count: negatives.count, parameters: pass.parameters,
        z: z + first, y: y + tower.second, into: scores + 1)
      VectorMath.add(scores + 1, to: own, count: negatives.count)
      return scores[0]
    }

    /// The way back of the position that `add` was called for last.
    ///
    /// - Parameters:
    ///   - pull: derivative of the loss with respect to the target's score; `own`: to the negatives' ones.
    func backward(position: Int, target: Int, pull: Float, negatives: Range<Int>, own: UnsafePointer<Float>) {
      let (first, second, count) = (tower.first, tower.second, 1 + negatives.count)
      scores[0] = pull
      (scores + 1).update(from: own, count: negatives.count)
      DenseAlgebra.multiply(
        y, transposeA: true, vector: scores, into: pass.gradient + tower.output, rows: count, columns: second, beta: 1)
      let output = pass.parameters + tower.output
      for index in 0..<count {
        for unit in 0..<second { dy[index * second + unit] = scores[index] * output[unit] }
      }
      Rectifier.backward(dy, output: y, count: count * second)
      VectorMath.addRows(of: dy, rows: count, columns: second, to: pass.gradient + tower.secondBias)
      DenseAlgebra.multiply(
        z, transposeA: true, dy, into: pass.gradient + tower.secondWeight, rows: first, columns: second, inner: count, beta: 1)
      DenseAlgebra.multiply(
        dy, pass.parameters + tower.secondWeight, transposeB: true, into: dz, rows: count, columns: first, inner: second)
      Rectifier.backward(dz, output: z, count: count * first)
      VectorMath.addRows(of: dz, rows: count, columns: first, to: dUsers + position * first)
      VectorMath.add(dz, to: dItems + target * first, count: first)
      VectorMath.add(dz + first, to: dItems + negatives.lowerBound * first, count: negatives.count * first)
    }

    /// Adds what all positions say of the first layer, the states and the embeddings to their gradients.
    func finish(dStates: UnsafeMutablePointer<Float>, dTable: UnsafeMutablePointer<Float>) {
      let (first, d) = (tower.first, tower.dimension)
      VectorMath.addRows(of: dUsers, rows: length, columns: first, to: pass.gradient + tower.firstBias)
      back(dUsers, input: states, rows: length, weight: tower.user, scale: 1, to: dStates)
      back(dItems, input: table, rows: rows, weight: tower.item, scale: tower.itemScale, to: dTable)
      func back(
        _ sides: UnsafeMutablePointer<Float>, input: UnsafeMutablePointer<Float>, rows: Int, weight: Int, scale: Float,
        to target: UnsafeMutablePointer<Float>
      ) {
        let (sides, factors) = (MatrixView(sides, stride: first), tower.factors)
        DenseAlgebra.multiply(
          MatrixView(input + factors, stride: d), transposeA: true, sides,
          into: MatrixView(pass.gradient + weight, stride: first), rows: tower.inputs, columns: first, inner: rows,
          alpha: scale, beta: 1)
        DenseAlgebra.multiply(
          sides, MatrixView(pass.parameters + weight, stride: first), transposeB: true,
          into: MatrixView(target + factors, stride: d), rows: rows, columns: tower.inputs, inner: first, alpha: scale, beta: 1)
      }
    }
  }
}
