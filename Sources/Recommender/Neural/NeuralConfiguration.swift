/// Which network turns a history into a vector.
public enum NeuralArchitecture: Sendable, Equatable {
  /// SASRec: causal self-attention.
  case transformer(blocks: Int, heads: Int)
  /// GRU4Rec: a gated recurrent unit with this many states.
  case recurrent(hidden: Int)
  /// Caser: convolutions of heights up to `width`, this many horizontal filters of each and vertical ones in all.
  case convolution(width: Int, horizontal: Int, vertical: Int)
  /// Two towers: short and long means of the history through dense layers with this many hidden units.
  case towers(hidden: Int)
  /// NeuMF: a scalar product and a perceptron, side by side, over the user's state and the item's embedding. The state is that of
  /// `towers`; the perceptron reads the last `inputs` entries of both, its first layer has `tower` units, its second half of them.
  case collaborative(hidden: Int, inputs: Int, tower: Int)

  /// The name in plans and on the command line.
  public var name: String {
    switch self {
    case .transformer: "sasrec"
    case .recurrent: "gru"
    case .convolution: "cnn"
    case .towers: "two-tower"
    case .collaborative: "ncf"
    }
  }

  /// Half-lives of the memories of `towers`, in items.
  static let memories: [Float] = [2, 10, .infinity]

  func encoder(dimension: Int, window: Int, layout: inout ParameterLayout) -> any SequenceEncoder {
    switch self {
    case .transformer(let blocks, let heads):
      TransformerEncoder(dimension: dimension, window: window, blocks: blocks, heads: heads, layout: &layout)
    case .recurrent(let hidden): RecurrentEncoder(dimension: dimension, hidden: hidden, layout: &layout)
    case .convolution(let width, let horizontal, let vertical):
      ConvolutionEncoder(dimension: dimension, width: width, horizontal: horizontal, vertical: vertical, layout: &layout)
    case .towers(let hidden), .collaborative(let hidden, _, _):
      PooledEncoder(dimension: dimension, hidden: hidden, halfLives: Self.memories, layout: &layout)
    }
  }

  /// What scores pairs besides the scalar product, if anything does.
  func tower(dimension: Int, layout: inout ParameterLayout) -> PairTower? {
    guard case .collaborative(_, let inputs, let tower) = self else { return nil }
    return PairTower(dimension: dimension, inputs: inputs, first: tower, layout: &layout)
  }

  func validate(dimension: Int) throws {
    switch self {
    case .transformer(let blocks, let heads):
      try Requirement.atLeastOne(blocks, "number of blocks")
      try Requirement.holds(
        heads >= 1 && dimension % heads == 0, "number of attention heads", heads, "a divisor of the dimension \(dimension)")
    case .recurrent(let hidden), .towers(let hidden): try Requirement.atLeastOne(hidden, "number of hidden units")
    case .collaborative(let hidden, let inputs, let tower):
      try Requirement.atLeastOne(hidden, "number of hidden units")
      try Requirement.holds(
        (1..<max(2, dimension)).contains(inputs) && inputs < dimension, "entries of an embedding for the tower", inputs,
        "from 1 to below the dimension \(dimension)")
      try Requirement.holds((1...4096).contains(tower), "units of the tower", tower, "1 to 4096")
    case .convolution(let width, let horizontal, let vertical):
      try Requirement.holds((1...64).contains(width), "width of the convolution", width, "1 to 64")
      try Requirement.atLeastOne(horizontal, "number of horizontal filters")
      try Requirement.atLeastOne(vertical, "number of vertical filters")
    }
  }
}

/// What one user does in a round.
public struct LocalTraining: Sendable, Equatable {
  /// Longest run of items that the encoder sees; of longer histories a random run is drawn for each step.
  public let window: Int
  /// Unseen items that the targets are compared with, drawn once per user and round; all there are when more.
  public let negatives: Int
  /// Gradient steps of one user in a round.
  public let steps: Int
  /// Rate of a step.
  public let rate: Float
  /// Probability that an activation is dropped in training.
  public let dropout: Float
  /// The L2 norm that a user's change of the parameters is cut to; contributions are changes over this bound.
  public let updateBound: Float
  /// Share of users that take part in a round, drawn by public coins: it saves work in plans without noise and buys no privacy.
  public let participation: Double

  public init(
    window: Int = 50, negatives: Int = 256, steps: Int = 1, rate: Float = 1, dropout: Float = 0.2, updateBound: Float = 1,
    participation: Double = 1
  ) throws {
    try Requirement.holds((1...4096).contains(window), "window", window, "1 to 4096 items")
    try Requirement.holds((1...1 << 20).contains(negatives), "number of negatives", negatives, "1 to \(1 << 20)")
    try Requirement.holds((1...1024).contains(steps), "number of local steps", steps, "1 to 1024")
    try Requirement.positive(rate, "local rate")
    try Requirement.holds(dropout >= 0 && dropout < 1, "dropout", dropout, "at least 0 and below 1")
    try Requirement.positive(updateBound, "bound on a user's update")
    try Requirement.holds(
      participation > 0 && participation <= 1, "participation", participation, "above 0 and at most 1")
    self.window = window
    self.negatives = negatives
    self.steps = steps
    self.rate = rate
    self.dropout = dropout
    self.updateBound = updateBound
    self.participation = participation
  }

  /// The most distinct items that one contribution can touch.
  func mostRows(itemCount: Int) -> Int { min(itemCount, steps * (window + 1) + min(negatives, itemCount)) }
}
