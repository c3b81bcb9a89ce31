internal import Foundation

/// TACIT_FUZZ_TARGET says which.
private let target: FuzzTarget = {
  guard let name = ProcessInfo.processInfo.environment["TACIT_FUZZ_TARGET"], let target = FuzzTarget(rawValue: name) else {
    fatalError("TACIT_FUZZ_TARGET is unset or unknown; expected one of \(FuzzTarget.allCases.map(\.rawValue))")
  }
  return target
}()

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  target.run(Array(UnsafeBufferPointer(start: bytes, count: count)))
  return 0
}

/// With TACIT_FUZZ_LIST, prints the names of all targets and ends; with TACIT_FUZZ_SEEDS, writes the corpus into that folder and
/// ends (scripts/fuzz.sh).
@_cdecl("LLVMFuzzerInitialize")
public func fuzzInitialize(_ count: UnsafeMutablePointer<CInt>?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
  let environment = ProcessInfo.processInfo.environment
  if environment["TACIT_FUZZ_LIST"] != nil {
    for target in FuzzTarget.allCases { print(target.rawValue) }
    exit(0)
  }
  if let folder = environment["TACIT_FUZZ_SEEDS"] {
    do {
      for target in FuzzTarget.allCases { try write(target.seeds(), to: "\(folder)/\(target.rawValue)") }
    } catch { fatalError("\(folder): \(error)") }
    exit(0)
  }
  return 0
}

private func write(_ seeds: [[UInt8]], to folder: String) throws {
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  for (index, seed) in seeds.enumerated() {
    try Data(seed).write(to: URL(fileURLWithPath: "\(folder)/honest-\(index)"))
  }
}
