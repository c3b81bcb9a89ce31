/// SASRec (Kang and McAuley, ICDM 2018): item and position embeddings, blocks of causal attention and feed-forward layers.
///
/// Each sublayer g stands as x + dropout(g(norm(x))), and a last norm follows the blocks. Positions are counted from the newest
/// item, so that a short history meets the positions that the end of a long one was trained with.
package struct TransformerEncoder: SequenceEncoder {
  package struct Cache: BitwiseCopyable {
    fileprivate let blocks: UnsafeMutablePointer<BlockCache>
    fileprivate let last: LayerNorm.Cache
    fileprivate let length: Int
  }

  fileprivate struct BlockCache: BitwiseCopyable {
    let firstNorm: LayerNorm.Cache
    let attention: CausalAttention.Cache
    let secondNorm: LayerNorm.Cache
    let feedForward: FeedForward.Cache
  }

  private struct Block: Sendable {
    let firstNorm: LayerNorm
    let attention: CausalAttention
    let secondNorm: LayerNorm
    let feedForward: FeedForward
  }

  package let dimension: Int
  package let window: Int
  private let positions: Int
  private let blocks: [Block]
  private let last: LayerNorm
  private var inputScale: Float { Float(dimension).squareRoot() }

  /// - Parameter window: the longest sequence.
  package init(dimension: Int, window: Int, blocks: Int, heads: Int, layout: inout ParameterLayout) {
    self.dimension = dimension
    self.window = window
    positions = layout.add("positions", [window, dimension], .normal(0.1))
    var stack: [Block] = []
    for index in 0..<blocks {
      stack.append(
        Block(
          firstNorm: LayerNorm("block-\(index)-attention-norm", columns: dimension, layout: &layout),
          attention: CausalAttention("block-\(index)-attention", dimension: dimension, heads: heads, layout: &layout),
          secondNorm: LayerNorm("block-\(index)-feed-norm", columns: dimension, layout: &layout),
          feedForward: FeedForward(
            "block-\(index)-feed", inputs: dimension, hidden: dimension, outputs: dimension, layout: &layout)))
    }
    self.blocks = stack
    last = LayerNorm("last-norm", columns: dimension, layout: &layout)
  }

  package func forward(
    _ input: UnsafeMutablePointer<Float>, length: Int, pass: Pass
  ) -> (UnsafeMutablePointer<Float>, Cache) {
    precondition(length <= window, "a sequence of \(length) items does not fit into a window of \(window)")
    let count = length * dimension
    let x = pass.arena.floats(count)
    let offsets = pass.parameters + positions + (window - length) * dimension
    for index in 0..<count { x[index] = inputScale * input[index] + offsets[index] }
    Dropout.apply(x, count: count, site: 0, pass: pass)
    let caches = pass.arena.records(BlockCache.self, blocks.count)
    for (index, block) in blocks.enumerated() {
      let (first, firstCache) = block.firstNorm.forward(x, rows: length, pass: pass)
      let (attended, attention) = block.attention.forward(first, length: length, pass: pass)
      Dropout.apply(attended, count: count, site: 2 * index + 1, pass: pass)
      VectorMath.add(attended, to: x, count: count)
      let (second, secondCache) = block.secondNorm.forward(x, rows: length, pass: pass)
      let (fed, feedForward) = block.feedForward.forward(second, rows: length, pass: pass)
      Dropout.apply(fed, count: count, site: 2 * index + 2, pass: pass)
      VectorMath.add(fed, to: x, count: count)
      (caches + index).initialize(
        to: BlockCache(firstNorm: firstCache, attention: attention, secondNorm: secondCache, feedForward: feedForward))
    }
    let (output, cache) = last.forward(x, rows: length, pass: pass)
    return (output, Cache(blocks: caches, last: cache, length: length))
  }

  package func backward(
    _ outputGradient: UnsafeMutablePointer<Float>, _ cache: Cache, pass: Pass
  ) -> UnsafeMutablePointer<Float> {
    let count = cache.length * dimension
    let dx = last.backward(outputGradient, cache.last, pass: pass)
    let branch = pass.arena.floats(count)
    for (index, block) in blocks.enumerated().reversed() {
      let own = cache.blocks[index]
      branch.update(from: dx, count: count)
      Dropout.apply(branch, count: count, site: 2 * index + 2, pass: pass)
      let dSecond = block.feedForward.backward(branch, own.feedForward, pass: pass)
      VectorMath.add(block.secondNorm.backward(dSecond, own.secondNorm, pass: pass), to: dx, count: count)
      branch.update(from: dx, count: count)
      Dropout.apply(branch, count: count, site: 2 * index + 1, pass: pass)
      let dFirst = block.attention.backward(branch, own.attention, pass: pass)
      VectorMath.add(block.firstNorm.backward(dFirst, own.firstNorm, pass: pass), to: dx, count: count)
    }
    Dropout.apply(dx, count: count, site: 0, pass: pass)
    VectorMath.add(dx, to: pass.gradient + positions + (window - cache.length) * dimension, count: count)
    VectorMath.scale(dx, by: inputScale, count: count)
    return dx
  }
}
