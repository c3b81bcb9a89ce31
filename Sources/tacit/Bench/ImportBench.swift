internal import ArgumentParser
internal import CommandSupport
internal import DataImport
internal import Foundation
internal import Recommender
internal import Simulation

/// `tacit bench import`: how fast an event log is read, and in how much memory.
struct ImportBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Reading event logs: events per CPU second and peak memory, plain and compressed.",
    discussion: """
      A log of made-up events is written into a temporary folder (customers, articles, what was done, when in ISO 8601, which shop; few \
      customers and articles have most events, some events come late), read as `tacit data inspect` reads it, and removed. The limit \
      is a pass of this very run over the same file that unpacks it and looks for line ends, and keeps nothing. Peak memory is the \
      kernel's, reset before each reading.
      """)

  @Option(help: "Rows of the log.") var events = 20_000_000
  @Option(help: "Customers.") var users = 1_000_000
  @Option(help: "Articles.") var items = 200_000
  @Option(help: "Drives the made-up events.") var seed: UInt64 = 1
  @Option(help: ArgumentHelp("Where the log is written, about 65 bytes per event.", valueName: "folder")) var folder: String?
  @Option(help: "text or json: one object per file.") var format: OutputFormat = .text

  struct Row: Encodable {
    let file: String
    let events: Int
    let fileBytes: Int
    let users: Int
    let items: Int
    let pairs: Int
    let cpuSeconds: Double
    let eventsPerCPUSecond: Double
    /// CPU seconds of the pass that only unpacks and looks for line ends.
    let limitCPUSeconds: Double
    /// Most resident memory while reading, beyond what was resident at the start.
    let peakBytes: Int
    let peakBytesPerEvent: Double
  }

  func validate() throws {
    guard events >= 1, users >= 1, users <= 90_000_000, items >= 1, items <= 1_000_000 else {
      throw ValidationError("expected at least 1 event, 1 to 90,000,000 users and 1 to 1,000,000 items")
    }
  }

  func run() throws {
    try Failures.report {
      let parent = folder ?? FileManager.default.temporaryDirectory.path
      let scratch = "\(parent)/tacit-import-\(ProcessInfo.processInfo.processIdentifier)"
      do { try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true) } catch {
        throw CommandFailure(.cannotCreate, "\(scratch) cannot be made: \(error.localizedDescription)")
      }
      defer { try? FileManager.default.removeItem(atPath: scratch) }
      let idle = MemoryProbe.residentBytes()
      for name in ["events.csv", "events.csv.gz"] {
        let path = "\(scratch)/\(name)"
        try MadeUpEvents(events: events, users: users, items: items, seed: seed).write(to: path)
        let row = try measure(path, idle: idle)
        try? FileManager.default.removeItem(atPath: path)
        switch format {
        case .json: try Console.outputJSON(row)
        case .text:
          Console.output(
            String(
              format:
                "%@: %d events, %.0f MB, %d users, %d items: %.2f s CPU, %.2f M events/s; limit %.2f s; peak %.0f MB, %.1f bytes per event",
              row.file, row.events, Double(row.fileBytes) / 1e6, row.users, row.items, row.cpuSeconds,
              row.eventsPerCPUSecond / 1e6, row.limitCPUSeconds, Double(row.peakBytes) / 1e6, row.peakBytesPerEvent))
        }
      }
    }
  }

  /// - Parameter idle: resident bytes before anything was read; what an earlier file left in the heap counts as used.
  private func measure(_ path: String, idle: Int) throws -> Row {
    let size = (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int).flatMap { $0 } ?? 0
    var began = StageMeter.processCPU()
    let scan = try LineScan.run(path: path)
    let limit = StageMeter.processCPU() - began
    guard scan.lines == events + 1 else {
      throw CommandFailure(.software, "\(path) has \(scan.lines) lines, expected \(events + 1)")
    }
    Self.resetPeak()
    began = StageMeter.processCPU()
    var options = ImportOptions()
    options.negativeCount = 1
    let imported = try DatasetImporter.load(path: path, options: options)
    let seconds = StageMeter.processCPU() - began
    let peak = max(0, Self.peakBytes() - idle)
    return Row(
      file: URL(filePath: path).lastPathComponent, events: imported.report.rowsRead, fileBytes: size,
      users: imported.dataset.userCount, items: imported.dataset.itemCount, pairs: imported.report.pairsKept,
      cpuSeconds: seconds, eventsPerCPUSecond: Double(events) / seconds, limitCPUSeconds: limit, peakBytes: peak,
      peakBytesPerEvent: Double(peak) / Double(events))
  }

  /// Sets the kernel's count of the most resident memory to what is resident now (proc_pid_clear_refs(5), since Linux 4.0).
  private static func resetPeak() {
    guard let file = FileHandle(forWritingAtPath: "/proc/self/clear_refs") else { return }
    try? file.write(contentsOf: Data("5".utf8))
    try? file.close()
  }

  private static func peakBytes() -> Int {
    guard let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
      let line = text.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
      let kilobytes = line.split(separator: " ").compactMap({ Int($0) }).first
    else { return 0 }
    return kilobytes * 1_024
  }
}

/// A log of events that nobody caused: skewed in customers and articles, in time order but for one in a hundred.
struct MadeUpEvents {
  let events: Int
  /// At most 90 million, so that every customer has a number of eight digits.
  let users: Int
  /// At most a million, for the same reason.
  let items: Int
  let seed: UInt64

  /// - Throws: `DataImportError` when the file cannot be written.
  func write(to path: String) throws {
    let file = try TextWriter(path: path, level: 1)
    try file.write("customer_id,sku,action,event_time,partner,price\n")
    let kinds = ["browse", "browse", "browse", "browse", "browse", "browse", "favourite", "cart", "buy", "buy"].map {
      Array($0.utf8)
    }
    let shops = (1...12).map { Array("shop-\($0)".utf8) }
    var generator = SplitMix64(seed: seed)
    var row: [UInt8] = []
    for event in 0..<events {
      let user = Int(Double(users) * skewed(&generator, 1.5))
      let item = Int(Double(items) * skewed(&generator, 2.5))
      // A year in all; late events are up to a day late.
      var second = Int(Double(event) / Double(events) * 31_536_000)
      if generator.uniform(below: 100) == 0 { second = max(0, second - generator.uniform(below: 86_400)) }
      row.removeAll(keepingCapacity: true)
      append(10_000_000 + user * 7_919 % 90_000_000, 8, to: &row)
      row += Array(",SKU-".utf8)
      append(item * 7_919 % 1_000_000, 6, to: &row)
      row.append(UInt8(ascii: ","))
      row += kinds[generator.uniform(below: kinds.count)]
      row.append(UInt8(ascii: ","))
      append(time: second, to: &row)
      row.append(UInt8(ascii: ","))
      row += shops[user % shops.count]
      row.append(UInt8(ascii: ","))
      append(1 + item % 250, 3, to: &row)
      row += [UInt8(ascii: "."), UInt8(ascii: "9"), UInt8(ascii: "5"), 10]
      try file.write(row)
    }
    try file.finish()
  }

  /// In [0, 1), crowded at 0: a uniform number to a power.
  private func skewed(_ generator: inout SplitMix64, _ power: Double) -> Double {
    pow(Double(generator.next() >> 11) * 0x1p-53, power)
  }

  private func append(_ number: Int, _ digits: Int, to row: inout [UInt8]) {
    var divisor = 1
    for _ in 1..<digits { divisor *= 10 }
    while divisor > 0 {
      row.append(UInt8(48 + number / divisor % 10))
      divisor /= 10
    }
  }

  /// `2025-MM-DDThh:mm:ss` of a second of that year.
  private func append(time second: Int, to row: inout [UInt8]) {
    var day = second / 86_400
    var month = 0
    let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    while month < 11, day >= lengths[month] {
      day -= lengths[month]
      month += 1
    }
    row += Array("2025-".utf8)
    append(month + 1, 2, to: &row)
    row.append(UInt8(ascii: "-"))
    append(day + 1, 2, to: &row)
    row.append(UInt8(ascii: "T"))
    append(second / 3_600 % 24, 2, to: &row)
    row.append(UInt8(ascii: ":"))
    append(second / 60 % 60, 2, to: &row)
    row.append(UInt8(ascii: ":"))
    append(second % 60, 2, to: &row)
  }
}
