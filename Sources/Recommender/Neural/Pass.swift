/// What the layers of one forward and backward pass share.
package struct Pass {
  /// The dense parameters that layers read.
  package let parameters: UnsafeMutablePointer<Float>
  /// Where backward passes add; the same slices as `parameters`. A forward pass alone does not touch it.
  package let gradient: UnsafeMutablePointer<Float>
  package let arena: Arena
  /// Probability that an activation is dropped; 0 outside training.
  package let dropout: Float
  /// Drives dropout.
  package let seed: UInt64

  package init(
    parameters: UnsafeMutablePointer<Float>, gradient: UnsafeMutablePointer<Float>, arena: Arena, dropout: Float = 0,
    seed: UInt64 = 0
  ) {
    self.parameters = parameters
    self.gradient = gradient
    self.arena = arena
    self.dropout = dropout
    self.seed = seed
  }
}

/// Turns a sequence of item embeddings into one vector per position, that of position t made of positions 0...t alone.
///
/// The vector at t is compared with item embeddings: it says what comes after position t.
package protocol SequenceEncoder: Sendable {
  /// What `forward` keeps for `backward`: pointers into the pass's arena.
  associatedtype Cache: BitwiseCopyable
  /// Length d of an embedding and of an output.
  var dimension: Int { get }
  /// - Parameter input: `length` × `dimension`, oldest first; stays unchanged.
  /// - Returns: `length` × `dimension`, in the pass's arena.
  func forward(_ input: UnsafeMutablePointer<Float>, length: Int, pass: Pass) -> (UnsafeMutablePointer<Float>, Cache)
  /// Adds the parameters' gradient to the pass's.
  ///
  /// - Parameter outputGradient: derivative of the loss with respect to the output; may be overwritten.
  /// - Returns: the derivative with respect to the input, in the pass's arena.
  func backward(_ outputGradient: UnsafeMutablePointer<Float>, _ cache: Cache, pass: Pass) -> UnsafeMutablePointer<Float>
}
