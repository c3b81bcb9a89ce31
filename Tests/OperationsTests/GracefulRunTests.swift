import Dispatch
import Foundation
import Logging
import Operations
import ServiceLifecycle
import Synchronization
import Testing

@Suite struct GracefulRunTests {
  private let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  @Test func `the first signal drains every service, last one first, and the run ends with it`() async throws {
    let journal = Journal()
    let (signals, send) = AsyncStream.makeStream(of: Int32.self)
    let services = ["store", "rounds", "listener"].map { Draining(name: $0, journal: journal) }
    let run = Task {
      try await GracefulRun.run(services, drainLimit: .seconds(60), logger: quiet, signals: signals) { _ in
        journal.add("ended at once")
      }
    }
    await journal.wait { $0.count == 3 }
    send.yield(SIGTERM)
    #expect(try await run.value == SIGTERM)
    #expect(journal.all.suffix(3) == ["listener drained", "rounds drained", "store drained"])
    #expect(!journal.all.contains("ended at once"))
  }

  @Test func `the second signal ends at once`() async throws {
    let journal = Journal()
    let (signals, send) = AsyncStream.makeStream(of: Int32.self)
    let stubborn = Stubborn(journal: journal)
    let run = Task {
      try await GracefulRun.run([stubborn], drainLimit: .seconds(600), logger: quiet, signals: signals) { signal in
        journal.add("ended at once by \(signal)")
        stubborn.release()
      }
    }
    await journal.wait { $0 == ["begun"] }
    send.yield(SIGTERM)
    await journal.wait { $0 == ["begun", "asked to drain"] }
    send.yield(SIGINT)
    #expect(try await run.value == SIGTERM)
    #expect(journal.all == ["begun", "asked to drain", "ended at once by \(SIGINT)"])
  }

  @Test func `a service that does not drain in time is cancelled`() async throws {
    let journal = Journal()
    let (signals, send) = AsyncStream.makeStream(of: Int32.self)
    let run = Task {
      try await GracefulRun.run([Cancellable(journal: journal)], drainLimit: .milliseconds(50), logger: quiet, signals: signals) {
        _ in
      }
    }
    await journal.wait { $0 == ["begun"] }
    send.yield(SIGTERM)
    _ = try? await run.value
    #expect(journal.all == ["begun", "cancelled"])
  }

  @Test func `a service that nothing can cancel ends with the process`() async throws {
    let journal = Journal()
    let (signals, send) = AsyncStream.makeStream(of: Int32.self)
    let busy = Busy(journal: journal)
    let run = Task {
      try await GracefulRun.run(
        [busy], drainLimit: .milliseconds(20), logger: quiet, signals: signals, lastWait: .milliseconds(20)
      ) { signal in
        journal.add("ended at once by \(signal)")
        busy.release()
      }
    }
    await journal.wait { $0 == ["begun"] }
    send.yield(SIGTERM)
    await journal.wait { $0.contains("ended at once by \(SIGTERM)") }
    busy.release()
    _ = try? await run.value
  }

  @Test func `a service that is done ends the others, and one that fails is the run's error`() async throws {
    let journal = Journal()
    let (signals, _) = AsyncStream.makeStream(of: Int32.self)
    let other = Draining(name: "other", journal: journal)
    #expect(
      try await GracefulRun.run([other, Done(failure: nil)], drainLimit: .seconds(60), logger: quiet, signals: signals) { _ in }
        == nil)
    #expect(journal.all.last == "other drained")
    await #expect(throws: Failure.self) {
      try await GracefulRun.run([other, Done(failure: Failure())], drainLimit: .seconds(60), logger: quiet, signals: signals) {
        _ in
      }
    }
    #expect(journal.all.filter { $0 == "other drained" }.count == 2)
  }

  private struct Failure: Error {}

  private struct Draining: Service {
    let name: String
    let journal: Journal

    func run() async throws {
      journal.add("\(name) begun")
      try await gracefulShutdown()
      journal.add("\(name) drained")
    }
  }

  private struct Done: Service {
    let failure: Failure?
    func run() async throws { if let failure { throw failure } }
  }

  private struct Cancellable: Service {
    let journal: Journal

    func run() async throws {
      journal.add("begun")
      while !Task.isCancelled { try? await Task.sleep(for: .milliseconds(5)) }
      journal.add("cancelled")
    }
  }

  /// Goes on after it was asked to drain, until somebody releases it.
  private final class Stubborn: Service {
    private let journal: Journal
    private let isReleased = Mutex(false)

    init(journal: Journal) { self.journal = journal }

    func release() { isReleased.withLock { $0 = true } }

    func run() async throws {
      journal.add("begun")
      try await gracefulShutdown()
      journal.add("asked to drain")
      while !isReleased.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(5)) }
    }
  }

  /// Hears nothing, as training does; its threads are its own.
  private final class Busy: Service {
    private let journal: Journal
    private let isReleased = Mutex(false)

    init(journal: Journal) { self.journal = journal }

    func release() { isReleased.withLock { $0 = true } }

    func run() async throws {
      journal.add("begun")
      while !isReleased.withLock({ $0 }) { await withCheckedContinuation { done in later { done.resume() } } }
    }

    private func later(_ body: @escaping @Sendable () -> Void) {
      DispatchQueue.global().asyncAfter(deadline: .now() + 0.005, execute: body)
    }
  }

  private final class Journal: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }

    func add(_ line: String) { lines.withLock { $0.append(line) } }

    /// Waits for a condition, a minute at most.
    func wait(_ condition: @Sendable ([String]) -> Bool) async {
      for _ in 0..<12_000 where !condition(all) { try? await Task.sleep(for: .milliseconds(5)) }
      #expect(condition(all), "\(all)")
    }
  }
}
