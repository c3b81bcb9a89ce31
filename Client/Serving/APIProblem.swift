/// Why a request is not answered as it was meant: a status and one sentence that names neither users nor anything else of the data.
struct APIProblem: Error, Equatable {
  enum Status: Int, CaseIterable {
    case badRequest = 400
    case unauthorized = 401
    case notFound = 404
    case methodNotAllowed = 405
    case contentTooLarge = 413
    case unsupportedMediaType = 415
    case misdirected = 421
    case internalFault = 500
    case unavailable = 503
  }

  let status: Status
  let sentence: String
  /// What the header `Allow` says, with 405.
  var allowed: [String] = []

  init(_ status: Status, _ sentence: String, allowed: [String] = []) {
    self.status = status
    self.sentence = sentence
    self.allowed = allowed
  }

  var json: JSON { .object([("error", .text(sentence))]) }
}

/// What the home cannot do just now; the sentence is for the log, and holds nothing of users.
public struct ServingFailure: Error, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = description }
}
