// The compiler says that `struct timespec` is CoreFoundation's once a dependency has loaded that module.
internal import CoreFoundation
internal import Foundation
internal import Synchronization

/// Asks a server on this machine over kept connections, at moments that were fixed before: an answer that is late does not make the next
/// question later, and its lateness counts (no coordinated omission).
struct LoadGenerator: Sendable {
  let port: UInt16
  let connections: Int
  /// Requests per second over all connections.
  let rate: Double
  let seconds: Double
  /// The bytes of request `k`.
  let request: @Sendable (Int) -> [UInt8]

  struct Outcome: Sendable {
    /// From the moment at which the request was due to its last byte, in seconds.
    var latencies: [Double] = []
    var failures = 0
    /// CPU seconds of the asking threads.
    var ownCPU = 0.0
    var elapsed = 0.0

    /// - Parameter share: in 0...1; of sorted latencies.
    func quantile(_ share: Double) -> Double {
      latencies.isEmpty ? 0 : latencies[min(latencies.count - 1, Int((Double(latencies.count) * share).rounded(.up)) - 1)]
    }
  }

  /// Blocks until all are answered.
  func run() -> Outcome {
    let total = Mutex(Outcome())
    let group = DispatchGroup()
    let begin = Self.now() + 0.05
    for connection in 0..<connections {
      group.enter()
      Thread.detachNewThread {
        let own = play(connection, begin)
        total.withLock { total in
          total.latencies += own.latencies
          total.failures += own.failures
          total.ownCPU += own.ownCPU
        }
        group.leave()
      }
    }
    group.wait()
    return total.withLock { total in
      total.latencies.sort()
      total.elapsed = Self.now() - begin
      return total
    }
  }

  private func play(_ connection: Int, _ begin: Double) -> Outcome {
    var outcome = Outcome()
    let cpu = Self.seconds(CLOCK_THREAD_CPUTIME_ID)
    guard let file = open() else {
      outcome.failures = 1
      return outcome
    }
    defer { close(file) }
    var buffer = [UInt8](repeating: 0, count: 1 << 18)
    for number in stride(from: connection, to: Int(rate * seconds), by: connections) {
      let due = begin + Double(number) / rate
      let bytes = request(number)
      let wait = due - Self.now()
      if wait > 0 { usleep(UInt32(wait * 1e6)) }
      guard send(file, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count, Self.readAnswer(file, &buffer) else {
        outcome.failures += 1
        break
      }
      outcome.latencies.append(Self.now() - due)
    }
    outcome.ownCPU = Self.seconds(CLOCK_THREAD_CPUTIME_ID) - cpu
    return outcome
  }

  /// - Returns: `false` when the line broke or the status was not 200.
  private static func readAnswer(_ file: Int32, _ buffer: inout [UInt8]) -> Bool {
    var count = 0
    while true {
      let received = buffer.withUnsafeMutableBytes { recv(file, $0.baseAddress.map { $0 + count }, $0.count - count, 0) }
      guard received > 0 else { return false }
      count += received
      let text = buffer[..<count]
      guard let end = text.firstRange(of: Array("\r\n\r\n".utf8)) else { continue }
      guard text.starts(with: Array("HTTP/1.1 200".utf8)) else { return false }
      let head = String(decoding: text[..<end.lowerBound], as: UTF8.self).lowercased()
      guard let line = head.split(separator: "\r\n").first(where: { $0.hasPrefix("content-length:") }),
        let length = Int(line.dropFirst(15).trimmingCharacters(in: .whitespaces))
      else { return false }
      if count >= end.upperBound + length { return count == end.upperBound + length }
    }
  }

  private func open() -> Int32? {
    let file = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
    let status = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(file, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
    guard status == 0 else {
      close(file)
      return nil
    }
    var isOn: Int32 = 1
    setsockopt(file, Int32(IPPROTO_TCP), TCP_NODELAY, &isOn, socklen_t(MemoryLayout<Int32>.size))
    return file
  }

  static func now() -> Double { seconds(CLOCK_MONOTONIC) }

  /// CPU seconds of the whole process.
  static func processCPU() -> Double { seconds(CLOCK_PROCESS_CPUTIME_ID) }

  private static func seconds(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
