public import CryptoPrimitives
internal import Foundation
public import Reporting

/// A report in its three forms, each with the signer's seal in it.
public struct SealedReport: Sendable {
  public let seal: ReportSeal
  public let json: String
  public let page: String
  /// The one-page text.
  public let text: String

  /// - Parameter key: the signer's; its fingerprint must be the one that the report names.
  /// - Throws: `ReportError.notFinite`.
  public init(_ report: RunReport, key: SigningKey) throws {
    let bodies: [ReportForm: String] = [
      .json: try report.renderJSON(), .page: report.renderHTML(), .text: report.renderText(.page),
    ]
    let seal = ReportSeal(key: key.verificationKey.hex, hashes: bodies.mapValues { SHA256.hash(Array($0.utf8)).hex }) {
      key.sign($0).hex
    }
    self.seal = seal
    func form(_ form: ReportForm) -> String { bodies[form].map { form.sealed($0, with: seal) } ?? "" }
    json = form(.json)
    page = form(.page)
    text = form(.text)
  }

  /// A rendering with the seal that was made over it; without one where this program renders other bytes than the signer's did.
  public static func form(_ form: ReportForm, _ body: String, seal: ReportSeal?) -> (text: String, isSealed: Bool) {
    guard let seal, SHA256.hash(Array(body.utf8)).hex == seal.hashes[form] else { return (body, false) }
    return (form.sealed(body, with: seal), true)
  }
}

/// A report in any form whose seal holds: every byte of it is what the signer signed.
public struct VerifiedReport: Sendable {
  public let form: ReportForm
  public let seal: ReportSeal
  public let key: VerificationKey
  /// The bytes without the seal.
  public let body: [UInt8]

  public var signer: SignerFingerprint { SignerFingerprint(of: key) }

  /// - Throws: `ReportSealFault` saying what does not fit.
  public init(_ bytes: [UInt8]) throws(ReportSealFault) {
    let parts: (form: ReportForm, seal: ReportSeal, body: [UInt8])
    do { parts = try ReportForm.unseal(bytes) } catch {
      throw ReportSealFault(error.description, isUnsealed: error == .absent(.json))
    }
    (form, seal, body) = parts
    guard let key = VerificationKey(hex: seal.key), let signature = Signature(hex: seal.signature),
      key.verifies(signature, of: seal.message)
    else { throw ReportSealFault("holds a seal whose signature is not of the key that it names: the seal was changed") }
    self.key = key
    guard SHA256.hash(body).hex == seal.hashes[form] else {
      throw ReportSealFault("was changed after it was signed: its bytes are not those that the seal names")
    }
    let named = try Self.namedSigners(form, body)
    guard named.count == 1, let name = named.first, !name.isEmpty, signer.hex.hasPrefix(name) else {
      throw ReportSealFault(
        "names the signer \(named.map { "\($0.prefix(16))…" }.joined(separator: " and ")), but the seal is of the key \(signer.hex.prefix(16))…"
      )
    }
  }

  /// What the report says to its readers of who signed it, in its form's one place for that: the digits, or their beginning.
  private static func namedSigners(_ form: ReportForm, _ body: [UInt8]) throws(ReportSealFault) -> [String] {
    switch form {
    case .json:
      do { return [try RunReport(json: Data(body)).identity.signerKeyFingerprint ?? ""] } catch {
        throw ReportSealFault("\(error)")
      }
    case .page:
      return String(decoding: body, as: UTF8.self).components(separatedBy: "<dt>Signer (key fingerprint)</dt>").dropFirst().map {
        // `<dd><bdi>DIGITS</bdi></dd>`
        $0.hasPrefix("<dd><bdi>") ? String($0.dropFirst("<dd><bdi>".count).prefix { $0 != "<" }) : ""
      }
    case .text:
      return String(decoding: body, as: UTF8.self).matches(of: /\bsigner\s+([0-9a-f]{16})…/).map { String($0.1) }
    }
  }
}

/// What is wrong with a sealed report; reads on after the file's name.
public struct ReportSealFault: Error, Equatable, CustomStringConvertible {
  public let description: String
  /// A report in JSON that never had a seal, or lost it.
  public let isUnsealed: Bool

  init(_ description: String, isUnsealed: Bool = false) {
    self.description = description
    self.isUnsealed = isUnsealed
  }
}
