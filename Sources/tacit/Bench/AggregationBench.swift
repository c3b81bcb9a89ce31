internal import CommandSupport
internal import CryptoPrimitives
internal import Foundation
internal import SecureAggregation
internal import Simulation

/// One secure sum to be measured.
struct AggregationWork {
  enum Graph {
    case complete
    /// As the solver gives it for the share of dropouts and a tenth corrupt.
    case solved
    case drawn(holders: Int, maskDraws: Int, threshold: Int?)
  }

  var clients: Int
  var graph: Graph
  var threshold: Int?
  var entries: Int
  var bits: Int
  var dropouts: Double
  /// The server in a process of its own.
  var serverIsSeparate = false

  var dropoutCount: Int { Int(dropouts * Double(clients) + 1e-9) }

  /// - Throws: `CommandFailure` when the numbers do not fit together.
  func parameters(entries: Int) throws -> AggregationParameters {
    do throws(AggregationParameterError) {
      var (graph, threshold, minimum) = (AggregationGraph.complete, self.threshold, nil as Int?)
      switch self.graph {
      case .complete: break
      case .drawn(let holders, let maskDraws, let given):
        threshold = threshold ?? given ?? AggregationParameters.defaultThreshold(holders)
        graph = .drawn(holders: holders, maskDraws: max(maskDraws, holders - (threshold ?? holders) + 1))
        minimum = max(clients - dropoutCount, clients / 2 + 1, threshold ?? 0)
      case .solved:
        let requirements = GraphRequirements(participants: clients, dropoutShare: dropouts)
        guard let solution = try DrawnGraphSolver.solve(requirements) else { break }
        graph = .drawn(holders: solution.holders, maskDraws: solution.maskDraws)
        (threshold, minimum) = (solution.threshold, solution.minimumSurvivors)
      }
      return try AggregationParameters(
        participants: (1...UInt32(clients)).map { ParticipantID($0) }, threshold: threshold, minimumSurvivors: minimum,
        dimension: entries, modulusBits: bits, graph: graph)
    } catch { throw CommandFailure(.usage, error.description) }
  }
}

/// One row of the table.
struct AggregationRow: Codable {
  let work: String
  /// Median over clients that stay to the end, then over repetitions: CPU seconds.
  let clientSeconds: Double
  let serverSeconds: Double
  /// What a client sends in all, as bytes on the wire.
  let uploadBytes: Int
  /// Largest resident memory of the process so far, all parties and their inputs in it; of a separate server its own.
  let peakBytes: Int
  /// The server's masks, expanded and added by the C loop.
  let limitSeconds: Double
  /// The same of one client's masks.
  let clientLimitSeconds: Double
  /// The server's masks by the bare cipher, added to nothing.
  let cipherSeconds: Double
  /// Time of the C loop over time of our expansion, for one client's masks alone: 1 is the machine's limit.
  let expansionShareOfLimit: Double
  /// The same of Flower's SecAgg+, where it was measured beside ours.
  private(set) var peerClientSeconds: Double?
  private(set) var peerServerSeconds: Double?
  private(set) var peerUploadBytes: Int?

  mutating func compare(with peer: AggregationPeer.Figures?) {
    (peerClientSeconds, peerServerSeconds, peerUploadBytes) = (peer?.clientSeconds, peer?.serverSeconds, peer?.uploadBytes)
  }

  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  var text: String {
    work
      + String(
        format:
          "\n  one client  %8.4f s CPU  (masks alone at the limit %.4f)\n  server      %8.4f s CPU  (masks alone at the limit %.4f, bare cipher %.4f)\n  expansion   %8.1f %% of the limit\n  upload      %d bytes    peak %d MiB",
        clientSeconds, clientLimitSeconds, serverSeconds, limitSeconds, cipherSeconds, 100 * expansionShareOfLimit,
        uploadBytes, peakBytes >> 20)
      + peerText
  }

  private var peerText: String {
    guard let client = peerClientSeconds, let server = peerServerSeconds, let upload = peerUploadBytes else { return "" }
    return String(
      format:
        "\n  flwr \(AggregationPeer.version)  client %.4f s (%.1f x ours), server %.4f s (%.1f x ours), upload %d bytes (%.2f x ours)",
      client, client / clientSeconds, server, server / serverSeconds, upload, Double(upload) / Double(uploadBytes))
  }
}

/// Measures one row.
struct AggregationBench {
  let work: AggregationWork
  let repeats: Int
  let threads: Int

  private struct Cost {
    var clients: [Double] = []
    var server = 0.0
    /// Masks that one client and the server expand.
    var clientMasks = 0.0
    var serverMasks = 0.0
    /// Of a server in a process of its own.
    var serverPeak: Int?
  }

  func measure() throws -> AggregationRow {
    var costs: [Cost] = []
    var limits: [(add: Double, bare: Double, ours: Double)] = []
    for index in 0..<repeats {
      costs.append(try play(seed: UInt64(index)))
      limits.append(limit(masks: 16))
    }
    let parameters = try work.parameters(entries: work.entries)
    let (add, bare, ours) = (median(limits.map(\.add)), median(limits.map(\.bare)), median(limits.map(\.ours)))
    let serverMasks = median(costs.map(\.serverMasks))
    return AggregationRow(
      work:
        "\(work.clients) x \(work.entries) entries of \(work.bits) bits, \(Self.name(parameters)), \(work.dropoutCount) dropped out, \(threads) thread\(threads == 1 ? "" : "s")\(work.serverIsSeparate ? ", server in a process of its own" : "")",
      clientSeconds: median(costs.map { median($0.clients) }), serverSeconds: median(costs.map(\.server)),
      uploadBytes: try uploadBytes(), peakBytes: costs.compactMap(\.serverPeak).max() ?? Self.peakBytes(),
      limitSeconds: serverMasks * add,
      clientLimitSeconds: median(costs.map(\.clientMasks)) * add, cipherSeconds: serverMasks * bare,
      expansionShareOfLimit: add / ours)
  }

  private static func name(_ parameters: AggregationParameters) -> String {
    switch parameters.graph {
    case .complete: "complete graph, t = \(parameters.threshold)"
    case .drawn(let holders, let maskDraws): "drawn graph k = \(holders), m = \(maskDraws), t = \(parameters.threshold)"
    }
  }

  /// Plays one attempt and checks its sum. Who leaves is drawn; a drawn graph in which somebody's holders are then too few is
  /// drawn again, which the plan's numbers make rare.
  private func play(seed: UInt64) throws -> Cost {
    let parameters = try work.parameters(entries: work.entries)
    var ending: AggregatorAction?
    for attempt in 0..<20 {
      let rehearsal = AggregationRehearsal(parameters: parameters, seed: seed, attempt: UInt32(attempt))
      var generator = KeyedRandomSource(insecureSeed: seed &* 1000 &+ UInt64(attempt))
      var leaving: Set<ParticipantID> = []
      while leaving.count < work.dropoutCount {
        leaving.insert(ParticipantID(1 + UInt32(generator.uniform(below: UInt64(work.clients)))))
      }
      if work.serverIsSeparate {
        if let cost = try playSeparately(rehearsal, leaving, &generator) { return cost }
        continue
      }
      let base = (0..<work.entries).map { _ in Int64(generator.nextUInt64() & 0x7FFF) }
      var expected = RingVector(count: work.entries, modulusBits: work.bits)
      var spent: [AggregationRehearsal.Role: Double] = [:]
      var turn: (role: AggregationRehearsal.Role, began: Double)?
      func change(to role: AggregationRehearsal.Role?) {
        let now = StageMeter.processCPU()
        if let turn { spent[turn.role, default: 0] += now - turn.began }
        turn = role.map { ($0, StageMeter.processCPU()) }
      }
      var threaded = rehearsal
      threaded.threads = threads
      let report = try threaded.run(
        input: { participant in
          let offset = Int64(participant.rawValue % 1024)
          let input = RingVector(integers: base.map { $0 + offset }, modulusBits: work.bits)
          expected.add(input)
          return input
        },
        silentFrom: Dictionary(uniqueKeysWithValues: leaving.map { ($0, AggregationStage.maskedInput) }),
        onTurn: { change(to: $0) })
      change(to: nil)
      ending = report.ending
      guard let sum = report.sum else { continue }
      guard sum.sum == expected else {
        throw CommandFailure(.stopped, "the secure sum differs from the plain sum: \(sum.survivors.count) survivors")
      }
      return cost(spent, parameters, leaving)
    }
    throw CommandFailure(.stopped, "no attempt of twenty came to a sum: \(ending.map { "\($0)" } ?? "none was played")")
  }

  /// - Returns: `nil` when the attempt was aborted.
  private func playSeparately(
    _ rehearsal: AggregationRehearsal, _ leaving: Set<ParticipantID>, _ generator: inout KeyedRandomSource
  ) throws -> Cost? {
    var rehearsal = rehearsal
    rehearsal.threads = threads
    let base = (0..<work.entries).map { _ in Int64(generator.nextUInt64() & 0x7FFF) }
    var expected = RingVector(count: work.entries, modulusBits: work.bits)
    let server = try SeparateServer(rehearsal)
    let played: (seconds: [ParticipantID: Double], server: AggregationFarm.ServerReport)?
    do throws(AggregationParameterError) {
      played = try AggregationFarm.playClients(rehearsal, leaving: leaving, over: server.pipe) { participant in
        let offset = Int64(participant.rawValue % 1024)
        let input = RingVector(integers: base.map { $0 + offset }, modulusBits: work.bits)
        expected.add(input)
        return input
      }
    } catch { throw CommandFailure(.stopped, error.description) }
    server.wait()
    guard let played else { throw CommandFailure(.stopped, "the server's process ended early") }
    guard let sum = played.server.sum else { return nil }
    guard sum.packed == expected.packed() else {
      throw CommandFailure(.stopped, "the secure sum differs from the plain sum: \(sum.survivors.count) survivors")
    }
    var spent = Dictionary(uniqueKeysWithValues: played.seconds.map { (AggregationRehearsal.Role.client($0), $1) })
    spent[.server] = played.server.seconds
    var cost = cost(spent, rehearsal.parameters, leaving)
    cost.serverPeak = played.server.peakBytes
    return cost
  }

  private func cost(
    _ spent: [AggregationRehearsal.Role: Double], _ parameters: AggregationParameters, _ leaving: Set<ParticipantID>
  ) -> Cost {
    var cost = Cost()
    for (role, seconds) in spent {
      if case .client(let participant) = role, !leaving.contains(participant) { cost.clients.append(seconds) }
    }
    cost.server = spent[.server] ?? 0
    let others = Double(work.clients - 1)
    var peers = others
    if case .drawn(_, let maskDraws) = parameters.graph {
      let share = Double(maskDraws) / others
      peers = others * (1 - (1 - share) * (1 - share))
    }
    let staying = Double(work.clients - leaving.count)
    cost.clientMasks = peers + 1
    cost.serverMasks = staying + Double(leaving.count) * peers * staying / others
    return cost
  }

  /// CPU seconds for one mask: by the C loop, by the bare cipher, and by ours.
  private func limit(masks: Int) -> (add: Double, bare: Double, ours: Double) {
    let key = SecretBytes(copying: [UInt8](repeating: 7, count: 32))
    let count = work.bits <= 32 ? work.entries : 2 * work.entries
    var lanes = [UInt32](repeating: 0, count: count)
    func time(_ body: () -> Void) -> Double {
      let begin = StageMeter.processCPU()
      body()
      return (StageMeter.processCPU() - begin) / Double(masks)
    }
    let add = time { for _ in 0..<masks { CipherLimit.expandAndAdd(key: key, to: &lanes) } }
    let bare = time { for _ in 0..<masks { CipherLimit.expand(key: key, count: count) } }
    var vector = RingVector(count: work.entries, modulusBits: work.bits)
    let all = (0..<masks).map { _ in Mask(key: key, sign: .plus) }
    let ours = time { MaskExpansion.apply(all, to: &vector, suite: .aes256CTR, threads: 1) }
    return (add, bare, ours)
  }

  /// Everything that one client sends, all keys and shares included: an attempt over a single entry, and the vector's bytes.
  /// In a drawn graph that hangs on k and not on n, so that a smaller roster will do.
  private func uploadBytes() throws -> Int {
    var parameters = try work.parameters(entries: 1)
    if case .drawn(let holders, _) = parameters.graph, work.clients > 5 * holders {
      parameters = try AggregationParameters(
        participants: Array(parameters.participants.prefix(5 * holders)), threshold: parameters.threshold, dimension: 1,
        modulusBits: work.bits, graph: parameters.graph)
    }
    let rehearsal = AggregationRehearsal(parameters: parameters, seed: 1)
    var sent: [ParticipantID: Int] = [:]
    var network = AggregationRehearsal.Network()
    network.toServer = { message, sender in
      sent[sender, default: 0] += WireSize.bytes(message)
      return [(message, sender)]
    }
    _ = try rehearsal.run(input: { _ in RingVector(count: 1, modulusBits: work.bits) }, network: network)
    let small = RingVector.packedByteCount(count: 1, modulusBits: work.bits)
    return Int(median(sent.values.map(Double.init))) - small
      + RingVector.packedByteCount(count: work.entries, modulusBits: work.bits)
  }

  private static func peakBytes() -> Int {
    var usage = rusage()
    getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
    return Int(usage.ru_maxrss) * 1024
  }
}
