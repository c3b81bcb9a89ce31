internal import Dispatch
public import Logging
public import ServiceLifecycle

/// Looks for a newer model, builds it aside, and lets it take the place of the one that answers.
public struct ModelWatch: Service {
  private let pause: Duration
  private let logger: Logger
  private let look: @Sendable () throws -> Void

  /// - Parameters:
  ///   - pause: between two looks.
  ///   - look: swaps when there is something new; what it throws is logged once, and the old model goes on.
  public init(every pause: Duration, logger: Logger, look: @escaping @Sendable () throws -> Void) {
    self.pause = pause
    self.logger = logger
    self.look = look
  }

  public func run() async throws {
    let queue = DispatchQueue(label: "tacit.serving.watch", qos: .utility)
    await cancelWhenGracefulShutdown {
      var said = ""
      while (try? await Task.sleep(for: pause)) != nil {
        let failure: String? = await withCheckedContinuation { continuation in
          queue.async {
            do {
              try look()
              continuation.resume(returning: nil)
            } catch { continuation.resume(returning: "\(error)") }
          }
        }
        if let failure, failure != said {
          logger.error("the newest model cannot be served; the one before goes on", metadata: ["reason": "\(failure)"])
        }
        said = failure ?? ""
      }
    }
  }
}
