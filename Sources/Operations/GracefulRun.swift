internal import Foundation
public import Logging
public import ServiceLifecycle
internal import UnixSignals

/// Runs services until they are done or somebody asks them to end: the first SIGTERM or SIGINT drains, the second ends the
/// process at once.
public enum GracefulRun {
  /// Runs until one service returns or throws, or until a signal; the others are then asked to end, last one first, and get
  /// `drainLimit` for it before their tasks are cancelled. What does not even end then (training that nothing can interrupt)
  /// ends with the process, `lastWait` after that.
  ///
  /// - Throws: what the service threw that ended the run.
  /// - Returns: the signal that ended the run, `nil` when the work was done.
  @discardableResult
  public static func run(_ services: [any Service], drainLimit: Duration, logger: Logger) async throws -> Int32? {
    let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
    return try await run(services, drainLimit: drainLimit, logger: logger, signals: signals.map(\.rawValue)) { signal in
      // State is journalled as it changes, so that ending anywhere is safe; 128 + N is what a shell makes of a signal.
      _exit(128 + signal)
    }
  }

  package static func run(
    _ services: [any Service], drainLimit: Duration, logger: Logger,
    signals: some AsyncSequence<Int32, Never> & Sendable, lastWait: Duration = .seconds(5),
    endNow: @escaping @Sendable (Int32) -> Void
  ) async throws -> Int32? {
    var configuration = ServiceGroupConfiguration(
      services: services.map {
        ServiceGroupConfiguration.ServiceConfiguration(
          service: $0, successTerminationBehavior: .gracefullyShutdownGroup,
          failureTerminationBehavior: .gracefullyShutdownGroup)
      }, logger: logger)
    configuration.maximumGracefulShutdownDuration = drainLimit
    let group = ServiceGroup(configuration: configuration)
    let first = SignalMemory()
    let watch = Task {
      for await signal in signals {
        if await first.remember(signal) {
          logger.notice("asked to end: draining; ask again to end at once", [.signal: LogValue(signal)])
          await group.triggerGracefulShutdown()
          await first.set(
            lastResort: Task {
              guard (try? await Task.sleep(for: drainLimit + lastWait)) != nil else { return }
              logger.warning("not drained in time: ending at once", [.signal: LogValue(signal)])
              endNow(signal)
            })
        } else {
          logger.warning("asked again: ending at once", [.signal: LogValue(signal)])
          endNow(signal)
        }
      }
    }
    let result: Result<Void, any Error>
    do { result = .success(try await group.run()) } catch { result = .failure(error) }
    watch.cancel()
    await first.cancelLastResort()
    try result.get()
    return await first.signal
  }

  private actor SignalMemory {
    private(set) var signal: Int32?
    private var lastResort: Task<Void, Never>?

    func set(lastResort task: Task<Void, Never>) { lastResort = task }

    func cancelLastResort() { lastResort?.cancel() }

    /// Whether this is the first.
    func remember(_ signal: Int32) -> Bool {
      guard self.signal == nil else { return false }
      self.signal = signal
      return true
    }
  }
}
