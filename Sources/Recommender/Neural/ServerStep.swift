internal import Glibc

extension ServerOptimizer {
  private static let first = "first moment"
  private static let second = "second moment"
  private static let count = "step count"

  /// One step of a whole parameter vector along an averaged change.
  ///
  /// - Parameters:
  ///   - sum: the released sum of changes; `scale` times it is the average.
  /// - Precondition: not `.curvature`, which needs more than an average.
  func step(_ parameters: inout [Float], alongSum sum: [Float], scale: Float, state: inout OptimizerState) {
    precondition(sum.count == parameters.count, "\(parameters.count) parameters, but \(sum.count) changes")
    let shape = [sum.count]
    switch self {
    case .average(let rate):
      for index in parameters.indices { parameters[index] += rate * scale * sum[index] }
    case .momentum(let rate, let momentum):
      var moment = state.removeValue(forKey: Self.first) ?? Tensor(zeros: shape)
      moment.values.withUnsafeMutableBufferPointer { moment in
        for index in parameters.indices {
          moment[index] = momentum * moment[index] + scale * sum[index]
          parameters[index] += rate * moment[index]
        }
      }
      state[Self.first] = moment
    case .adam(let rate, let beta1, let beta2, let epsilon):
      var first = state.removeValue(forKey: Self.first) ?? Tensor(zeros: shape)
      var second = state.removeValue(forKey: Self.second) ?? Tensor(zeros: shape)
      let count = (state[Self.count]?.values[0] ?? 0) + 1
      // Bias corrections, folded into the rate and ε.
      let correction = Float((1 - pow(Double(beta2), Double(count))).squareRoot())
      let corrected = rate * correction / Float(1 - pow(Double(beta1), Double(count)))
      let (epsilon, keep1, keep2) = (epsilon * correction, 1 - beta1, 1 - beta2)
      parameters.withUnsafeMutableBufferPointer { parameters in
        sum.withUnsafeBufferPointer { sum in
          first.values.withUnsafeMutableBufferPointer { first in
            second.values.withUnsafeMutableBufferPointer { second in
              for index in 0..<parameters.count {
                let value = scale * sum[index]
                let moment = beta1 * first[index] + keep1 * value
                let square = beta2 * second[index] + keep2 * value * value
                first[index] = moment
                second[index] = square
                parameters[index] += corrected * moment / (square.squareRoot() + epsilon)
              }
            }
          }
        }
      }
      state[Self.first] = first
      state[Self.second] = second
      state[Self.count] = Tensor(shape: [1], values: [count])
    case .curvature: preconditionFailure("an average of network parameters has no curvature")
    }
  }
}
