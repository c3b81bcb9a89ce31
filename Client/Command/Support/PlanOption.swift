internal import ArgumentParser
internal import CryptoPrimitives
internal import PartnerService

/// Which of the plans that this home knows a command speaks of.
struct PlanOption: ParsableArguments {
  @Option(
    help: ArgumentHelp("Another plan than the newest: its hash or the beginning of it, as `status` shows it.", valueName: "hash"))
  var plan: String?

  /// - Returns: `nil` when none is named.
  func hash(_ store: PartnerStore) throws -> Digest? { try plan.map { try store.plan(beginningWith: $0).hash } }
}
