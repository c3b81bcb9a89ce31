internal import CryptoPrimitives
public import Recommender

/// The state of a coordinator's engine between two attempts; together with the journalled events of the attempt under way
/// it is all that a new process needs.
///
/// What the checkpoint does not hold is in the ledger (charges, outcomes) and in the release journal (noised sums).
public struct CoordinatorCheckpoint: Sendable, Equatable {
  /// Index of the release that comes next.
  public var round: Int
  /// The attempt at it that comes next, from 0.
  public var attempt: Int
  public var model: ItemModel
  public var optimizer: OptimizerState
  /// Why the run is over; `nil` while it is not. Never `.ledgerFailed`, which ends a process and no run.
  public var end: RunEnd?

  public init(round: Int, attempt: Int, model: ItemModel, optimizer: OptimizerState = [:], end: RunEnd? = nil) {
    precondition(round >= 0 && attempt >= 0, "rounds and attempts count from 0, found \(round) and \(attempt)")
    self.round = round
    self.attempt = attempt
    self.model = model
    self.optimizer = optimizer
    self.end = end
  }

  /// Before the first attempt of a plan.
  public static func initial(_ plan: TrainingPlan, _ algorithm: any FederatedAlgorithm) -> CoordinatorCheckpoint {
    CoordinatorCheckpoint(round: 0, attempt: 0, model: algorithm.initialModel(seed: plan.modelSeed))
  }
}

// MARK: - Bytes

extension CoordinatorCheckpoint {
  private static let label = Array("TACITCHECKPOINT1\n".utf8)

  /// The one encoding: label, round (u32), attempt (u32), end, the model's bytes after their length (u64), the optimizer.
  ///
  /// The optimizer is a count (u32), and per tensor in ascending byte order of its name: name (u64 length, UTF-8), and the
  /// tensor as the only one of a model's bytes after their length (u64). Integers are little-endian.
  public func encoded() -> [UInt8] {
    var bytes = Self.label
    Self.append(UInt32(round), to: &bytes)
    Self.append(UInt32(attempt), to: &bytes)
    append(end, to: &bytes)
    Self.append(ModelBytes.encode(model), to: &bytes)
    Self.append(UInt32(optimizer.count), to: &bytes)
    let names = optimizer.keys.map { Array($0.utf8) }.sorted { $0.lexicographicallyPrecedes($1) }
    for name in names {
      Self.append(name, to: &bytes)
      guard let tensor = optimizer[String(decoding: name, as: UTF8.self)] else { continue }
      Self.append(ModelBytes.encode(Self.carrier(of: tensor)), to: &bytes)
    }
    return bytes
  }

  /// - Throws: `StoredBytesError` or `ModelBytesError` for anything that `encoded` would not write.
  public init(decoding bytes: [UInt8]) throws {
    var reader = StoredBytes(bytes, "the coordinator's checkpoint")
    try reader.expect(Self.label)
    let round: UInt32 = try reader.integer("round")
    let attempt: UInt32 = try reader.integer("attempt")
    let end = try Self.readEnd(&reader)
    let model = try ModelBytes.decode(try reader.block("model"))
    let count: UInt32 = try reader.integer("optimizer")
    var optimizer: OptimizerState = [:]
    var previous: [UInt8]?
    for _ in 0..<count {
      let name = try reader.block("optimizer")
      if let previous, !previous.lexicographicallyPrecedes(name) {
        throw reader.error("optimizer", "has names that do not ascend")
      }
      previous = name
      let carrier = try ModelBytes.decode(try reader.block("optimizer"))
      guard let text = String(validating: name, as: UTF8.self), let tensor = carrier.tensors["state"],
        carrier.tensors.count == 1, carrier.algorithm == "optimizer", carrier.version == 0
      else { throw reader.error("optimizer", "has a tensor of another form") }
      optimizer[text] = tensor
    }
    try reader.finish()
    self.init(round: Int(round), attempt: Int(attempt), model: model, optimizer: optimizer, end: end)
  }

  private static func carrier(of tensor: Tensor) -> ItemModel {
    ItemModel(algorithm: "optimizer", tensors: ["state": tensor])
  }

  private static func append(_ block: [UInt8], to bytes: inout [UInt8]) {
    append(UInt64(block.count), to: &bytes)
    bytes += block
  }

  /// One byte for the kind of end, then what belongs to it.
  private func append(_ end: RunEnd?, to bytes: inout [UInt8]) {
    switch end {
    case nil: bytes.append(0)
    case .completed?: bytes.append(1)
    case .budgetExhausted(let round)?:
      bytes.append(2)
      Self.append(UInt32(round), to: &bytes)
    case .tooManyAborts(let round, let reason)?:
      bytes.append(3)
      Self.append(UInt32(round), to: &bytes)
      bytes.append(reason.rawValue)
    case .stopped?: bytes.append(4)
    case .ledgerFailed?: preconditionFailure("a failed ledger ends a process and no run; the attempt is resumed")
    }
  }

  private static func readEnd(_ reader: inout StoredBytes) throws(StoredBytesError) -> RunEnd? {
    let kind: UInt8 = try reader.integer("end")
    switch kind {
    case 0: return nil
    case 1: return .completed
    case 2:
      let round: UInt32 = try reader.integer("end")
      return .budgetExhausted(round: Int(round))
    case 3:
      let round: UInt32 = try reader.integer("end")
      let code: UInt8 = try reader.integer("end")
      guard let reason = AttemptAbort(rawValue: code) else { throw reader.error("end", "has the unknown reason \(code)") }
      return .tooManyAborts(round: Int(round), reason: reason)
    case 4: return .stopped
    default: throw reader.error("end", "is of the unknown kind \(kind)")
    }
  }

  private static func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }
}
