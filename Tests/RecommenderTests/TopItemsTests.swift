import Recommender
import Testing

@Suite struct TopItemsTests {
  @Test func theHeapSelectsWhatSortingWouldTiesIncluded() {
    var random = TestRandom(21)
    for trial in 0..<200 {
      let size = random.below(60)
      let scores = (0..<size).map { _ -> Float in
        switch random.below(8) {
        case 0: .nan
        case 1: -.infinity
        default: Float(random.below(9)) - 4
        }
      }
      let count = random.below(20)
      let expected = scores.indices.filter { scores[$0] > -.infinity }
        .sorted { (scores[$0], $1) > (scores[$1], $0) }.prefix(count)
      let found = TopItems.select(count, from: scores)
      #expect(found.map(\.item) == Array(expected), "trial \(trial): \(count) of \(scores)")
      #expect(found.allSatisfy { $0.score == scores[$0.item] })
    }
  }

  @Test func anExplanationNamesTheStrongestReasonFirst() {
    let explanation = Explanation(item: 7, history: [4, 9, 2, 5], contributions: [0.5, -1, 1.5, 0], score: 1)
    #expect(explanation.item == 7)
    #expect(explanation.reasons.map(\.item) == [2, 4, 5, 9])
    #expect(explanation.reasons.map(\.share) == [0.75, 0.25, 0, 0])
    #expect(explanation.reasons.map(\.contribution) == [1.5, 0.5, 0, -1])
    #expect(explanation.popularityShare == 0)
  }

  @Test func `what popularity adds is named beside the user's own events`() {
    // The parts make 1 of a score of 3.
    let explanation = Explanation(item: 7, history: [4, 9], contributions: [2, -1], score: 3)
    #expect(explanation.popularityShare == 0.5 && explanation.reasons.map(\.share) == [0.5, 0])
    // Rounding is nobody's.
    #expect(Explanation(item: 7, history: [4], contributions: [2], score: 2.000_01).popularityShare == 0)
    // Popularity that speaks against an item supports nothing.
    #expect(Explanation(item: 7, history: [4], contributions: [2], score: 1).reasons[0].share == 1)
  }
}
