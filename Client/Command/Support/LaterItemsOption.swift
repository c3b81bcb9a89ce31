internal import ArgumentParser
internal import CommandSupport
internal import ModelExport
internal import Recommender

/// `--item-features`: items that came after the training are listed by what is known of them.
struct LaterItemsOption: ParsableArguments {
  typealias Features = @Sendable (Catalogue, Int) throws -> ItemFeatures

  @Option(
    help: ArgumentHelp(
      "List items of --items that the model's catalogue does not have as well, by their features: attributes, text, files of vectors, parted by commas, as the coordinator made them. A file has a row for each item of the catalogue in its order, then for each new one in that of --items.",
      valueName: "sources"))
  var itemFeatures: String?

  /// - Returns: `nil` when they are not wanted.
  /// - Throws: `CommandFailure` without a table of items.
  func features(items: String?) throws -> Features? {
    guard let itemFeatures else { return nil }
    guard items != nil else {
      throw CommandFailure(
        .usage, "--item-features needs --items FILE: the table that says which items there are, and what they are like")
    }
    let sources = itemFeatures.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    return { catalogue, known in try ItemFeatureSource.features(sources, of: catalogue, known: known) }
  }
}
