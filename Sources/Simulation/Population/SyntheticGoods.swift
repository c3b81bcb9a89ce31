internal import Glibc
internal import Recommender

/// The made-up catalogue: which category and style each item has, what it is called, how much it is in demand.
struct SyntheticGoods: Sendable {
  static let categories: [(name: String, code: String, nouns: [String], price: Double)] = [
    (
      "lighting", "LGT",
      [
        "desk lamp", "floor lamp", "wall light", "pendant", "lantern", "night light", "string lights",
        "reading lamp",
        "candle holder", "lampshade",
      ], 45
    ),
    (
      "kitchen", "KIT",
      [
        "salad bowl", "chopping board", "teapot", "mug", "serving tray", "spice jar", "kettle", "bread bin",
        "pan",
        "knife block",
      ], 25
    ),
    (
      "seating", "SEA",
      [
        "armchair", "bar stool", "bench", "footstool", "rocking chair", "dining chair", "pouffe", "sofa",
        "deckchair",
        "office chair",
      ], 160
    ),
    (
      "textiles", "TEX",
      [
        "cushion", "throw", "rug", "curtain", "bedspread", "towel", "tablecloth", "napkins", "doormat",
        "pillowcase",
      ], 30
    ),
    (
      "storage", "STO",
      [
        "bookshelf", "basket", "coat rack", "chest of drawers", "shoe rack", "toy box", "wardrobe",
        "wall shelf",
        "cabinet", "hat box",
      ], 90
    ),
    (
      "garden", "GAR",
      [
        "watering can", "plant pot", "bird feeder", "trowel", "garden table", "parasol", "hammock",
        "fire bowl",
        "planter", "wind chime",
      ], 35
    ),
    (
      "stationery", "STA",
      [
        "notebook", "pen holder", "desk pad", "letter rack", "planner", "pencil case", "photo album",
        "paperweight",
        "bookend", "gift box",
      ], 14
    ),
    (
      "decoration", "DEC",
      [
        "vase", "mirror", "picture frame", "wall clock", "figurine", "wreath", "globe", "print",
        "jewellery box",
        "candle",
      ], 28
    ),
  ]
  static let styles: [(name: String, words: [String])] = [
    ("natural", ["Walnut", "Oak", "Bamboo", "Moss", "Sand"]),
    ("bright", ["Scarlet", "Cobalt", "Amber", "Emerald", "Coral"]),
    ("quiet", ["Ivory", "Chalk", "Mist", "Pearl", "Linen"]),
    ("dark", ["Charcoal", "Midnight", "Graphite", "Onyx", "Ebony"]),
  ]

  let catalogue: Catalogue
  /// Item → category index.
  let category: [Int]
  /// Item → style index.
  let style: [Int]
  /// Item → demand before taste, Zipf over a random order of the items: (rank + 3)^-0.7.
  let popularity: [Double]
  /// Item → three items that are looked at after it (what goes with what), the same in every shop.
  let companions: [[Int32]]
  /// Category → share of demand.
  let categoryDemand: [Double]

  init(_ configuration: SyntheticConfiguration, using generator: inout SplitMix64) {
    let count = configuration.items
    let categoryDemand = Self.categories.indices.map { pow(Double($0 + 2), -0.5) }
    let categoryChoice = WeightedChoice(categoryDemand)
    var category: [Int] = []
    var style: [Int] = []
    var titles: [String] = []
    var skus: [String] = []
    var prices: [String] = []
    var titleUses: [String: Int] = [:]
    for item in 0..<count {
      let kind = categoryChoice.draw(&generator)
      let look = generator.uniform(below: Self.styles.count)
      category.append(kind)
      style.append(look)
      let goods = Self.categories[kind]
      var title = ""
      // A title in use is drawn again a few times before it gets a number.
      for _ in 0..<20 {
        let word = Self.styles[look].words[generator.uniform(below: Self.styles[look].words.count)]
        title = "\(word) \(goods.nouns[generator.uniform(below: goods.nouns.count)])"
        if titleUses[title] == nil { break }
      }
      let uses = titleUses[title, default: 0] + 1
      titleUses[title] = uses
      titles.append(uses == 1 ? title : "\(title) No. \(uses)")
      let number = String(item + 1)
      skus.append("\(goods.code)-\(String(repeating: "0", count: max(0, 4 - number.count)))\(number)")
      let cents = Int((goods.price * 100 * (0.4 + 1.2 * generator.nextUnit())).rounded())
      prices.append("\(cents / 100).\(cents % 100 < 10 ? "0" : "")\(cents % 100)")
    }
    let rank = generator.permutation(count)
    self.category = category
    self.style = style
    self.categoryDemand = categoryDemand
    self.popularity = rank.map { pow(Double($0 + 3), -0.7) }
    self.companions = (0..<count).map { item in
      // Half of them of the item's own category, whatever the style.
      let own = category.indices.filter { category[$0] == category[item] }
      return (0..<3).map { _ in
        generator.chance(perMille: 500)
          ? Int32(own[generator.uniform(below: own.count)]) : Int32(generator.uniform(below: count))
      }
    }
    self.catalogue = Catalogue(
      itemIDs: (0..<count).map { "\($0)" },
      attributes: [
        "title": titles, "category": category.map { Self.categories[$0].name },
        "style": style.map { Self.styles[$0].name }, "price": prices, "sku": skus,
      ])
  }
}
