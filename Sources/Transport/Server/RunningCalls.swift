internal import GRPCCore
internal import Synchronization

/// What kind of call it is, as far as limits go.
enum CallKind: Sendable, Hashable {
  case unary
  case poll
  case download
  /// One call per key at a time.
  case upload
}

/// A call that is being answered. It ends in one of three ways: its body returns or throws; somebody ends it with a refusal; the other side
/// goes away.
final class RunningCall: Sendable {
  /// Why a call ended before its body was done.
  enum Ending: Sendable {
    case refused(TransportRefusal)
    /// The caller is not there any more, or its deadline passed.
    case abandoned
    /// The upload is of no use any more: its answer stands.
    case settled(UploadPhase)
  }

  let peer: Peer
  let kind: CallKind
  let started: ContinuousClock.Instant
  private let deadline: ContinuousClock.Instant
  private let stall: Duration?
  private let state: Mutex<State>

  private struct State {
    var ending: Ending?
    var cancel: (@Sendable () -> Void)?
    /// `nil` while the call waits for something that is not the caller's to do.
    var progress: ContinuousClock.Instant?
    /// How fast the caller of an upload sends, once it holds a turn.
    var pace: UploadPace
    /// What an upload is for, once its header is there.
    var upload: UploadKey?
  }

  init(peer: Peer, kind: CallKind, limits: TransportLimits, now: ContinuousClock.Instant = .now) {
    self.peer = peer
    self.kind = kind
    started = now
    switch kind {
    case .unary:
      deadline = now + limits.unaryCall
      stall = nil
    case .poll:
      deadline = now + limits.longestPoll + limits.unaryCall
      stall = nil
    case .download, .upload:
      deadline = now + limits.transfer
      stall = limits.stall
    }
    let pace = UploadPace(window: limits.paceWindow, bytes: limits.paceBytes)
    state = Mutex(State(ending: nil, cancel: nil, progress: now, pace: pace, upload: nil))
  }

  /// Something moved; from now on the caller is waited for.
  func progress() { state.withLock { $0.progress = .now } }

  /// The caller has done what it can; time without movement is not its fault.
  func pause() { state.withLock { $0.progress = nil } }

  /// The next part of an upload that holds a turn is waited for.
  func awaitPart(now: ContinuousClock.Instant = .now) {
    state.withLock { state in
      state.progress = now
      state.pace.wait(from: now)
    }
  }

  /// A part of an upload is there; what is done with it is not the caller's time.
  func received(_ count: Int, now: ContinuousClock.Instant = .now) {
    state.withLock { state in
      state.progress = nil
      state.pace.receive(count, at: now)
    }
  }

  /// What an upload is for.
  var upload: UploadKey? { state.withLock { $0.upload } }

  func announce(_ key: UploadKey) { state.withLock { $0.upload = key } }

  /// Cuts the call off; the first reason counts.
  func end(_ ending: Ending) {
    let cancel = state.withLock { state in
      if state.ending == nil { state.ending = ending }
      return state.cancel
    }
    cancel?()
  }

  /// Cuts the call off when it takes too long.
  func endIfLate(now: ContinuousClock.Instant) {
    if now >= deadline {
      end(.refused(.deadlineExceeded))
      return
    }
    let (progress, isTooSlow) = state.withLock { ($0.progress, $0.pace.isTooSlow(at: now)) }
    guard let stall, let progress else { return }
    if isTooSlow || now >= progress + stall { end(.refused(.stalled)) }
  }

  var ending: Ending? { state.withLock { $0.ending } }

  /// Runs the body so that `end` cancels it.
  func run<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
    let task = Task { try await body() }
    let isOver = state.withLock { state in
      state.cancel = { task.cancel() }
      return state.ending != nil
    }
    if isOver { task.cancel() }
    defer { state.withLock { $0.cancel = nil } }
    return try await withTaskCancellationHandler {
      try await task.value
    } onCancel: {
      task.cancel()
    }
  }
}

/// All calls of a listener that are being answered.
final class RunningCalls: Sendable {
  private let limits: TransportLimits
  private let state = Mutex(State())

  private struct State {
    var calls: [ObjectIdentifier: RunningCall] = [:]
    /// Why no call begins any more.
    var isOver: TransportRefusal?
  }

  init(limits: TransportLimits) { self.limits = limits }

  var all: [RunningCall] { state.withLock { Array($0.calls.values) } }

  /// Cuts off all calls, and every one that was about to begin.
  func stop(_ refusal: TransportRefusal) {
    let calls = state.withLock { state in
      state.isOver = refusal
      return Array(state.calls.values)
    }
    for call in calls { call.end(.refused(refusal)) }
  }

  /// Enters a call. A participant has one poll at a time and a limited number of calls: the oldest makes room, because an older call of an
  /// honest partner is one whose connection broke.
  ///
  /// - Throws: `tooManyCalls` when those that should make room have not done so yet; what `stop` was told.
  func begin(_ peer: Peer, kind: CallKind) throws(TransportRefusal) -> RunningCall {
    let call = RunningCall(peer: peer, kind: kind, limits: limits)
    let (refusal, outdated): (TransportRefusal?, [RunningCall]) = state.withLock { state in
      if let isOver = state.isOver { return (isOver, []) }
      let own = state.calls.values.filter { $0.peer.participant == peer.participant }.sorted { $0.started < $1.started }
      guard own.count < 2 * limits.callsPerParticipant else { return (.tooManyCalls(limit: limits.callsPerParticipant), own) }
      state.calls[ObjectIdentifier(call)] = call
      var outdated = own.count >= limits.callsPerParticipant ? [own[0]] : []
      if kind == .poll { outdated += own.filter { $0.kind == .poll && $0.peer.instance == peer.instance } }
      return (nil, outdated)
    }
    for call in outdated { call.end(.refused(.tooManyCalls(limit: limits.callsPerParticipant))) }
    if let refusal { throw refusal }
    return call
  }

  func finish(_ call: RunningCall) { state.withLock { $0.calls[ObjectIdentifier(call)] = nil } }

  /// Authorises the callers of all calls that may last again, once each; the others were authorised a moment ago, and a hello is about to
  /// make its instance the newest.
  func reauthorize(_ authorize: @Sendable (Peer) async -> TransportRefusal?) async {
    for (peer, calls) in Dictionary(grouping: all.filter { $0.kind != .unary }, by: \.peer) {
      if let refusal = await authorize(peer) {
        for call in calls { call.end(.refused(refusal)) }
      }
    }
  }
}
