/// A data set without some users and some items, and what is needed to judge a model on those that were left out.
///
/// Who and what is left out follows from ids, shares and seed alone. The catalogue that is trained on does not have the new items at
/// all: nobody has them in a history, and nobody draws them as an unseen one. Only training events are looked at.
public struct ColdStartSplit: Sendable {
  /// What is trained on: known users, known items.
  public let warm: Dataset
  /// Training histories of the users that were left out, of known items, oldest first.
  public let newUsers: [[Int32]]
  /// Indices, in the whole catalogue, of the items that are trained on and of those that were left out.
  public let knownItems: [Int]
  public let newItems: [Int]
  /// For every user of `warm` the new items in the training history, as positions in `newItems`.
  public let newItemsOfUser: [[Int32]]
  /// The whole catalogue.
  public let catalogue: Catalogue

  /// - Parameters:
  ///   - users: share of users that are left out, 0 for none; `items`: of items.
  /// - Throws: `DatasetError` for a share that is none, or that leaves nothing.
  public init(_ dataset: Dataset, users: Double, items: Double, seed: UInt64) throws {
    for (share, name) in [(users, "users"), (items, "items")] where !(0...0.5).contains(share) {
      throw DatasetError("the share of \(name) to hold out is \(share); expected 0 to 0.5")
    }
    func isNew(_ id: String, _ kind: UInt64, _ share: Double) -> Bool {
      var generator = SplitMix64(seed: SplitMix64.mix(seed &+ kind) ^ stableHash(id))
      return generator.nextUnit() < share
    }
    let allItems = Array(dataset.catalogue.itemIDs.indices)
    let newItems = allItems.filter { isNew(dataset.catalogue.itemIDs[$0], 1, items) }
    var place = [Int32](repeating: -1, count: dataset.itemCount)
    for (position, item) in newItems.enumerated() { place[item] = Int32(-2 - position) }
    let knownItems = allItems.filter { place[$0] == -1 }
    for (position, item) in knownItems.enumerated() { place[item] = Int32(position) }
    let newUsers = (0..<dataset.userCount).filter { isNew(dataset.userIDs[$0], 2, users) }
    let isNewUser = Set(newUsers)
    let knownUsers = (0..<dataset.userCount).filter { !isNewUser.contains($0) }
    guard !knownItems.isEmpty, !knownUsers.isEmpty, items == 0 || !newItems.isEmpty,
      users == 0 || !newUsers.isEmpty
    else {
      throw DatasetError(
        "holding out \(users) of \(dataset.userCount) users and \(items) of \(dataset.itemCount) items leaves nobody on one side; choose other shares"
      )
    }
    func known(_ items: some Sequence<Int32>) -> [Int32] {
      items.map { place[Int($0)] }.filter { $0 >= 0 }
    }
    catalogue = dataset.catalogue
    self.knownItems = knownItems
    self.newItems = newItems
    self.newUsers = newUsers.map { known(dataset.train.history(of: $0)) }
    newItemsOfUser = knownUsers.map { user in
      dataset.train.history(of: user).compactMap { place[Int($0)] < -1 ? -2 - place[Int($0)] : nil }
    }
    let train = dataset.train
    warm = Dataset(
      name: dataset.name,
      catalogue: Catalogue(
        itemIDs: knownItems.map { dataset.catalogue.itemIDs[$0] },
        attributes: dataset.catalogue.attributes.mapValues { values in knownItems.map { values[$0] }
        }),
      userIDs: knownUsers.map { dataset.userIDs[$0] },
      train: Interactions(
        itemCount: knownItems.count, histories: knownUsers.map { known(train.history(of: $0)) },
        weights: train.weights.isEmpty
          ? []
          : knownUsers.map { user in
            zip(train.history(of: user), train.weights(of: user)).filter { place[Int($0.0)] >= 0 }
              .map(\.1)
          }), test: knownUsers.map { known(dataset.test[$0]) },
      // A user whose test item is new has none left, and needs no candidates.
      negatives: dataset.negatives.map { all in
        knownUsers.map { known(dataset.test[$0]).isEmpty ? [] : known(all[$0]) }
      },
      userAttributes: dataset.userAttributes.mapValues { values in knownUsers.map { values[$0] } })
  }
}
