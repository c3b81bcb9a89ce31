import CryptoPrimitives
import Foundation
import Logging
import PartnerService
import PeerIdentity
import Testing
import Transport

/// Certificates of a home that are damaged, gone, another's, or over: the file is named, and the way to a new one.
@Suite struct CertificateFileTests {
  private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  /// What has become of a file.
  enum Damage: CaseIterable, Sendable { case garbage, cut, gone, anothers }

  @Test(arguments: Damage.allCases, ["certificate.pem", "ca.pem"])
  func `a damaged certificate is named before anything connects, and an invitation mends it`(
    _ damage: Damage, _ name: String
  ) async throws {
    let world = try await World(partners: 4)
    let (home, path) = (world.homes[0], world.homes[0].path + "/" + name)
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    switch damage {
    case .garbage: try Data((0..<200).map { UInt8($0) | 0x80 }).write(to: URL(fileURLWithPath: path))
    case .cut: try whole.prefix(whole.count / 2).write(to: URL(fileURLWithPath: path))
    case .gone: try FileManager.default.removeItem(atPath: path)
    case .anothers:
      let other = try FakeCoordinator()
      let pem =
        name == "ca.pem"
        ? Data(other.authority.certificatePEM.utf8)
        : try Data(contentsOf: URL(fileURLWithPath: world.homes[1].path + "/" + name))
      try pem.write(to: URL(fileURLWithPath: path))
    }
    func open() throws {
      let store = try world.store(0)
      try Joining.checkKeys(home: home, enrolment: try Joining.enrolment(of: store, home), passphrase: .none)
      _ = try PartnerHost(home: home, passphrase: .none, logger: Self.logger) {
        try CoordinatorLine.overNetwork($0, $1, logger: Self.logger)
      }
    }
    func isNamed(_ error: any Error) -> Bool {
      (error as? PartnerError).map { [.data, .missing].contains($0.kind) } == true && "\(error)".hasPrefix(path)
        && "\(error)".contains("tacit-client enroll --token @FILE --home \(home.path)")
    }
    #expect { try open() } throws: { isNamed($0) }
    // The same without the check that comes before.
    #expect {
      _ = try PartnerHost(home: home, passphrase: .none, logger: Self.logger) {
        try CoordinatorLine.overNetwork($0, $1, logger: Self.logger)
      }
    } throws: { isNamed($0) }
    let status = try PartnerStatus(home: home, store: try world.store(0), now: Date())
    #expect(
      status.needs.contains { $0.hasPrefix("a certificate: \(path)") } == (name == "certificate.pem" && damage != .anothers))
    let coordinator = world.coordinator
    try await Enrolling.enrol(
      token: try await coordinator.token("p1"), home: home.path, passphrase: .none, now: Date(),
      call: { try await coordinator.enrol($0, $1) })
    #expect(throws: Never.self) { try open() }
  }

  @Test func `a certificate that ran out is named with its time when the coordinator lets nobody in with it`() async throws {
    let world = try await World(partners: 4)
    await world.coordinator.tamper(1, .init(failure: { _ in .notTrusted("the connection was closed") }))
    let later = Date().addingTimeInterval(3600 * 24 * 40)
    let host = try world.host(0, once: false, clock: { later })
    await #expect { _ = try await host.run() } throws: {
      let text = "\($0)"
      return ($0 as? PartnerError)?.kind == .permission
        && text.hasPrefix("the certificate \(world.homes[0].certificate) ran out on 20")
        && text.contains("tacit-client enroll --token @FILE --home \(world.homes[0].path)")
    }
  }

  @Test func `a token whose time is over makes no home`() async throws {
    let (scratch, coordinator) = (try Scratch(), try FakeCoordinator())
    await #expect {
      try await Enrolling.enrol(
        token: try await coordinator.token("p1"), home: scratch.file("home"), passphrase: .none,
        now: Date().addingTimeInterval(3601), call: { try await coordinator.enrol($0, $1) })
    } throws: {
      ($0 as? PeerIdentityError)?.kind == .expired && "\($0)".contains("token for p1 was valid until")
        && "\($0)".contains("ask the coordinator for a new one")
    }
    #expect(!FileManager.default.fileExists(atPath: scratch.file("home")))
  }
}
