internal import Glibc

/// The standard library's `Mutex`, with a lock that ThreadSanitizer sees.
///
/// `Synchronization.Mutex` takes its lock by a system call inside a library that is not built for ThreadSanitizer, so that everything it
/// guards is reported as a race. In builds under that sanitizer `Synchronization` is an alias of this module (Fuzzing/Package.swift), and
/// the same sources lock by `pthread_mutex_lock`, which the sanitizer intercepts.
public struct Mutex<Value: ~Copyable>: ~Copyable, @unchecked Sendable {
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private let value: UnsafeMutablePointer<Value>

  public init(_ initial: consuming sending Value) {
    lock = .allocate(capacity: 1)
    let failure = pthread_mutex_init(lock, nil)
    precondition(failure == 0, "a lock with default attributes can be made")
    value = .allocate(capacity: 1)
    value.initialize(to: initial)
  }

  deinit {
    value.deinitialize(count: 1)
    value.deallocate()
    pthread_mutex_destroy(lock)
    lock.deallocate()
  }

  public borrowing func withLock<Result: ~Copyable, Failure: Error>(
    _ body: (inout sending Value) throws(Failure) -> sending Result
  ) throws(Failure) -> sending Result {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    return try body(&value.pointee)
  }
}
