internal import CryptoPrimitives
internal import FederatedLearning
internal import SecureAggregation
internal import Transport

/// Field numbers of `PartnerMessage`'s body (Protocols/tacit/v1/training.proto).
enum MessageKind {
  static let refusal: UInt32 = 1
  static let plainSum: UInt32 = 2
  static let keyAdvertisement: UInt32 = 3
  static let keyShares: UInt32 = 4
  static let maskedInput: UInt32 = 5
  static let consistencySignature: UInt32 = 6
  static let unmaskResponse: UInt32 = 7
  static let abort: UInt32 = 8

  static func of(_ message: PartnerMessage) -> UInt32 {
    switch message {
    case .refusal: refusal
    case .plainSum: plainSum
    case .aggregation(.keyAdvertisement): keyAdvertisement
    case .aggregation(.keyShares): keyShares
    case .aggregation(.maskedInput): maskedInput
    case .aggregation(.consistencySignature): consistencySignature
    case .aggregation(.unmaskResponse): unmaskResponse
    case .aggregation(.abort): abort
    }
  }
}

extension UploadKey {
  func names(_ attempt: AttemptKey) -> Bool {
    session == attempt.session.bytes && round == attempt.round && self.attempt == attempt.attempt
  }
}
