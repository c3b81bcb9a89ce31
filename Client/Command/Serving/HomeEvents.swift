internal import PartnerService
internal import PartnerServing
internal import Recommender
internal import Serving

/// A home's events behind the server's port.
struct HomeEvents: EventStore {
  let store: PartnerStore
  let dataSet: DataSetName
  let itemCount: Int

  var name: String { dataSet.text }

  func history(of user: String) throws -> ServedHistory? {
    try failing { try store.servedHistory(of: user, in: dataSet, itemCount: itemCount) }
  }

  func firstHistories(numbersMax: Int) throws -> [(user: String, history: ServedHistory)] {
    try failing { try store.servedHistories(in: dataSet, itemCount: itemCount, numbersMax: numbersMax) }
  }

  func record(_ events: [ServedEvent], index: (String) -> Int32?, weights: EventWeights) throws -> IntakeReport {
    try failing { try store.record(events, in: dataSet, index: index, weights: weights, time: PartnerHome.now) }
  }

  /// Sentences of home and database name files and data sets, never users.
  private func failing<Value>(_ body: () throws -> Value) throws -> Value {
    do { return try body() } catch { throw ServingFailure("\(error)") }
  }
}
