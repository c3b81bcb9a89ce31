internal import ModelExport
internal import Recommender

/// Lists and scores as the tables that a judge reads: tab-separated, with a header.
enum RecommendationFile {
  /// `user item rank score`: the best items of every test user, items of the training history left out.
  static func write(scorer: any Scorer, dataset: Dataset, count: Int, to path: String) throws {
    let items = dataset.catalogue.itemIDs
    try AtomicFile.write(to: path) { file in
      try file.write("user\titem\trank\tscore\n")
      for user in 0..<dataset.userCount where !dataset.test[user].isEmpty {
        let best = scorer.recommend(to: history(dataset, user), count: count)
        var lines = ""
        for (rank, entry) in best.enumerated() {
          lines += "\(dataset.userIDs[user])\t\(items[entry.item])\t\(rank + 1)\t\(entry.score)\n"
        }
        try file.write(lines)
      }
    }
  }

  /// `user item score`: the test item and the listed negatives of every user.
  static func writeScores(scorer: any Scorer, dataset: Dataset, negatives: [[Int32]], to path: String) throws {
    let items = dataset.catalogue.itemIDs
    var scores = [Float](repeating: 0, count: dataset.itemCount)
    try AtomicFile.write(to: path) { file in
      try file.write("user\titem\tscore\n")
      for user in 0..<dataset.userCount {
        guard let positive = dataset.test[user].first else { continue }
        scorer.score(history(dataset, user), into: &scores)
        var lines = ""
        for item in [positive] + negatives[user] {
          lines += "\(dataset.userIDs[user])\t\(items[Int(item)])\t\(scores[Int(item)])\n"
        }
        try file.write(lines)
      }
    }
  }

  static func history(_ dataset: Dataset, _ user: Int) -> UserHistory {
    UserHistory(items: dataset.train.history(of: user), weights: dataset.train.weights(of: user))
  }
}
