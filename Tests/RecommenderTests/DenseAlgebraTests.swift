import Recommender
import Testing

@Suite struct DenseAlgebraTests {
  @Test func aProductAgreesWithTheOneWorkedByHandInEveryTransposition() {
    // [1 2 3; 4 5 6] · [1 0; 2 1; 0 3] = [5 11; 14 23]
    let a: [Float] = [1, 2, 3, 4, 5, 6]
    let aTransposed: [Float] = [1, 4, 2, 5, 3, 6]
    let b: [Float] = [1, 0, 2, 1, 0, 3]
    let bTransposed: [Float] = [1, 2, 0, 0, 1, 3]
    for (left, transposeA) in [(a, false), (aTransposed, true)] {
      for (right, transposeB) in [(b, false), (bTransposed, true)] {
        var c = [Float](repeating: .nan, count: 4)
        DenseAlgebra.multiply(
          left, transposeA: transposeA, right, transposeB: transposeB, into: &c, rows: 2, columns: 2, inner: 3
        )
        #expect(c == [5, 11, 14, 23], "transposeA \(transposeA), transposeB \(transposeB)")
      }
    }
    var y: [Float] = [1, 1]
    DenseAlgebra.multiply(a, vector: [1, 0, 1] as [Float], into: &y, rows: 2, columns: 3, alpha: 2, beta: 1)
    #expect(y == [9, 21])
  }

  @Test func aGramFillsTheUpperTriangleOnlyAndMirroringCompletesIt() {
    let a: [Float] = [1, 2, 3, 4, 5, 6]
    var c = [Float](repeating: 0, count: 9)
    DenseAlgebra.addGram(of: a, rows: 2, order: 3, into: &c)
    #expect(c == [17, 22, 27, 0, 29, 36, 0, 0, 45])
    DenseAlgebra.mirrorUpper(&c, order: 3)
    #expect(c == [17, 22, 27, 22, 29, 36, 27, 36, 45])
  }

  @Test func mirroringAgreesWithTheDefinitionAcrossTiles() {
    let order = 150
    var a = (0..<order * order).map(Float.init)
    let before = a
    DenseAlgebra.mirrorUpper(&a, order: order)
    var wrong: [(Int, Int)] = []
    for row in 0..<order {
      for column in 0..<order
      where a[row * order + column] != before[min(row, column) * order + max(row, column)] {
        wrong.append((row, column))
      }
    }
    #expect(wrong.isEmpty, "\(wrong.prefix(3))")
  }

  @Test func choleskySolvesAndInvertsAHandMadeSystem() {
    // a = [4 2; 2 3]: det 8, inverse [3 -2; -2 4] / 8; a [1 1]ᵀ = [6 5]ᵀ. The lower entry is never read.
    var factor: [Double] = [4, 2, .nan, 3]
    #expect(DenseAlgebra.choleskyFactor(&factor, order: 2))
    #expect(
      abs(factor[0] - 2) < 1e-14 && abs(factor[1] - 1) < 1e-14 && abs(factor[3] - 2.squareRoot()) < 1e-14)
    var right: [Double] = [6, 5, 4, 2]
    DenseAlgebra.choleskySolve(factor: factor, order: 2, &right, count: 2)
    #expect(zip(right, [1, 1, 1, 0]).allSatisfy { abs($0 - $1) < 1e-14 })
    #expect(DenseAlgebra.choleskyInverse(factor: &factor, order: 2))
    #expect(abs(factor[0] - 0.375) < 1e-14 && abs(factor[1] + 0.25) < 1e-14 && abs(factor[3] - 0.5) < 1e-14)

    var single: [Float] = [4, 2, .nan, 3]
    #expect(DenseAlgebra.choleskyFactor(&single, order: 2))
    var rightSingle: [Float] = [6, 5]
    DenseAlgebra.choleskySolve(factor: single, order: 2, &rightSingle)
    #expect(abs(rightSingle[0] - 1) < 1e-6 && abs(rightSingle[1] - 1) < 1e-6)
    #expect(DenseAlgebra.choleskyInverse(factor: &single, order: 2))
    #expect(abs(single[1] + 0.25) < 1e-6)
  }

  @Test func anIndefiniteMatrixIsRefused() {
    var indefinite: [Double] = [1, 2, 2, 1]
    #expect(!DenseAlgebra.choleskyFactor(&indefinite, order: 2))
    var single: [Float] = [0, 0, 0, 1]
    #expect(!DenseAlgebra.choleskyFactor(&single, order: 2))
  }

  @Test func eigenvectorsStandInRowsAndRebuildTheMatrix() {
    // [2 1; 1 2]: 1 with (1, -1)/√2, 3 with (1, 1)/√2.
    var a: [Double] = [2, 1, .nan, 2]
    let values = DenseAlgebra.symmetricEigen(&a, order: 2)
    #expect(abs(values[0] - 1) < 1e-14 && abs(values[1] - 3) < 1e-14)
    #expect(abs(a[0] + a[1]) < 1e-14 && abs(a[2] - a[3]) < 1e-14)
    #expect(abs(abs(a[2]) - 0.5.squareRoot()) < 1e-14)
  }
}
