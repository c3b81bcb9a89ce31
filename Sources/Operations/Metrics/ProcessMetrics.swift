internal import Foundation

/// What every process can say of itself, under the names that Prometheus' own clients use.
public enum ProcessMetrics {
  public static func register(in registry: MetricsRegistry) {
    registry.observed("process_cpu_seconds_total", help: "User and system CPU time in seconds.", isCounter: true) { cpuSeconds() }
    registry.observed("process_resident_memory_bytes", help: "Resident memory in bytes.") {
      statm()?.resident
    }
    registry.observed("process_virtual_memory_bytes", help: "Virtual memory in bytes.") { statm()?.total }
    registry.observed("process_open_fds", help: "Open file descriptors.") { openDescriptors() }
    registry.observed("process_max_fds", help: "Limit of open file descriptors.") { descriptorLimit() }
    let start = startTime()
    registry.observed("process_start_time_seconds", help: "When the process began, in seconds since 1970.") { start }
  }

  static func cpuSeconds() -> Double? {
    var usage = rusage()
    guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return nil }
    return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
  }

  /// /proc/self/statm counts pages.
  private static func statm() -> (total: Double, resident: Double)? {
    guard let fields = text("/proc/self/statm")?.split(separator: " ").prefix(2).compactMap({ Double($0) }), fields.count == 2
    else { return nil }
    let page = Double(sysconf(Int32(_SC_PAGESIZE)))
    return (fields[0] * page, fields[1] * page)
  }

  private static func openDescriptors() -> Double? {
    // One of them is the listing itself.
    (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")).map { Double($0.count - 1) }
  }

  private static func descriptorLimit() -> Double? {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
    return limit.rlim_cur == rlim_t.max ? .infinity : Double(limit.rlim_cur)
  }

  /// Field 22 of /proc/self/stat (clock ticks since boot) and the time of boot of /proc/stat.
  private static func startTime() -> Double? {
    // The second field is the program's name in parentheses, which may hold spaces and parentheses.
    guard let stat = text("/proc/self/stat"), let name = stat.lastIndex(of: ")"),
      let ticks = stat[name...].split(separator: " ").dropFirst(20).first.flatMap({ Double($0) }),
      let boot = text("/proc/stat")?.split(separator: "\n").first(where: { $0.hasPrefix("btime ") })
        .flatMap({ Double($0.dropFirst(6)) })
    else { return nil }
    return boot + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
  }

  private static func text(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }
}
