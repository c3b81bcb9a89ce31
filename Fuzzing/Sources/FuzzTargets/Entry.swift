internal import Foundation

/// TACIT_FUZZ_TARGET says which; with TACIT_FUZZ_SEEDS its seeds are written there first.
private let target: FuzzTarget = {
  let environment = ProcessInfo.processInfo.environment
  guard let name = environment["TACIT_FUZZ_TARGET"], let target = FuzzTarget(rawValue: name) else {
    fatalError("TACIT_FUZZ_TARGET is unset or unknown; expected one of \(FuzzTarget.allCases.map(\.rawValue))")
  }
  guard let folder = environment["TACIT_FUZZ_SEEDS"] else { return target }
  do {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for (index, seed) in try target.seeds().enumerated() {
      try Data(seed).write(to: URL(fileURLWithPath: "\(folder)/honest-\(index)"))
    }
  } catch { fatalError("\(folder): \(error)") }
  return target
}()

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  target.run(Array(UnsafeBufferPointer(start: bytes, count: count)))
  return 0
}

/// The names of all targets, one a line; for scripts/fuzz.sh.
@_cdecl("LLVMFuzzerInitialize")
public func fuzzInitialize(_ count: UnsafeMutablePointer<CInt>?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
  guard ProcessInfo.processInfo.environment["TACIT_FUZZ_LIST"] != nil else { return 0 }
  for target in FuzzTarget.allCases { print(target.rawValue) }
  exit(0)
}
