internal import Synchronization

/// Scratch memory that outlives one call: trainers and scorers are values that many threads share, and a thread borrows a
/// workspace for as long as it works on one user.
final class WorkspacePool<Workspace: AnyObject>: Sendable {
  /// A workspace belongs to one thread at a time: it leaves the list before it is used and returns after.
  private struct Loan: @unchecked Sendable {
    let workspace: Workspace
  }

  private let free = Mutex<[Loan]>([])
  private let make: @Sendable () -> Workspace

  init(_ make: @escaping @Sendable () -> Workspace) { self.make = make }

  func withWorkspace<Result>(_ body: (Workspace) -> Result) -> Result {
    let loan = free.withLock { $0.popLast() } ?? Loan(workspace: make())
    defer { free.withLock { $0.append(loan) } }
    return body(loan.workspace)
  }
}
