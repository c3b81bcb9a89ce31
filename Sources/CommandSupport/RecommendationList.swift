internal import Foundation
public import Recommender

/// The best items for one user, with the reasons in words: what a terminal or a program is shown.
public struct RecommendationList: Sendable {
  /// Why an item stands in the list: one of the user's own items.
  public struct Reason: Encodable, Sendable {
    public let item: String
    public let title: String?
    /// Share of the support, in 0...1.
    public let share: Double
  }

  public struct Entry: Encodable, Sendable {
    public let rank: Int
    public let item: String
    public let title: String?
    public let score: Float
    public let because: [Reason]?
    /// Share of popularity in what speaks for the item, in 0...1; absent without reasons.
    public let popularityShare: Double?
  }

  public let entries: [Entry]
  private let hasHistory: Bool
  private let isExplained: Bool

  /// Lists and, when asked, explains.
  ///
  /// - Parameters:
  ///   - excluding: items that must not be listed, by index.
  ///   - explain: whether to name the items of the history that carried each entry, where they carried at least 5 %.
  public init(
    _ scorer: any Scorer, for history: UserHistory, names: ItemNames, count: Int, excluding: [Int32] = [], explain: Bool
  ) {
    entries = scorer.recommend(to: history, count: count, excluding: excluding).enumerated().map { position, entry in
      let explanation = explain ? scorer.explanation(of: entry.item, score: entry.score, for: history) : nil
      let reasons = explanation.map { $0.reasons.filter { $0.share >= 0.05 }.prefix(3) }
      func rounded(_ share: Float) -> Double { (Double(share) * 1000).rounded() / 1000 }
      return Entry(
        rank: position + 1, item: names.ids[entry.item], title: names.title(entry.item), score: entry.score,
        because: reasons.map { reasons in
          reasons.map {
            Reason(
              item: names.ids[$0.item], title: names.title($0.item), share: rounded($0.share))
          }
        }, popularityShare: explanation.map { rounded($0.popularityShare) })
    }
    hasHistory = !history.items.isEmpty
    isExplained = explain
  }

  /// The list as lines for a terminal.
  public var lines: [String] {
    var lines = entries.isEmpty ? ["nothing is left to recommend"] : []
    let width = String(entries.count).count
    for entry in entries {
      let rank = String(repeating: " ", count: width - String(entry.rank).count) + "\(entry.rank)"
      lines.append("  \(rank)  \(entry.title.map { "\($0) (\(entry.item))" } ?? entry.item)")
      guard let reasons = entry.because, !reasons.isEmpty else { continue }
      func percent(_ share: Double) -> String { "(\(Int((share * 100).rounded())) %)" }
      var words = reasons.map { "\($0.title ?? $0.item) \(percent($0.share))" }
      if let share = entry.popularityShare, share >= 0.05 { words.append("its popularity \(percent(share))") }
      lines.append("  \(String(repeating: " ", count: width))    because of \(words.joined(separator: ", "))")
    }
    guard isExplained, !entries.isEmpty, !entries.contains(where: { $0.because?.isEmpty == false }) else { return lines }
    return lines + [
      hasHistory
        ? "No reasons: this model does not derive these items from single items of the history (popular items come first for everybody)."
        : "No reasons: the history is empty, so these are everybody's favourites."
    ]
  }
}

/// Items by public id, and in words where the catalogue has them.
public struct ItemNames: Sendable {
  public let ids: [String]
  private let titles: [String]?

  public init(ids: [String], titles: [String]?) {
    self.ids = ids
    self.titles = titles
  }

  public func title(_ item: Int) -> String? {
    guard let title = titles?[item], !title.isEmpty else { return nil }
    return title
  }

  /// Reads `item,item,…`; a repeated item counts once.
  ///
  /// - Throws: `CommandFailure` naming the option and the item that the catalogue does not have.
  public func indices(of list: String, option: String) throws -> [Int32] {
    let index = Dictionary(uniqueKeysWithValues: ids.enumerated().map { ($1, Int32($0)) })
    var found: [Int32] = []
    for name in list.split(separator: ",").map({ $0.trimmingCharacters(in: .whitespaces) }) where !name.isEmpty {
      guard let item = index[name] else {
        throw CommandFailure(
          .data,
          "\(option): item '\(name)' is not in the catalogue of \(ids.count) items (such as \(ids.prefix(3).joined(separator: ", "))); give item ids separated by commas"
        )
      }
      if !found.contains(item) { found.append(item) }
    }
    return found
  }
}
