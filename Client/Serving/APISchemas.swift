/// What bodies and answers look like, as JSON Schema.
enum APISchemas {
  static let all: [(name: String, schema: JSON)] = [
    ("Recommendations", recommendations), ("SimilarItems", similarItems), ("Explanation", explanation), ("Events", events),
    ("Intake", intake), ("Model", model), ("Health", health), ("Document", .object([("type", .text("object"))])),
    ("Problem", object([("error", text("One sentence: what was found, what was expected."))])),
  ]

  /// Every member is required but the optional ones, and there are no others.
  private static func object(_ members: [(String, JSON)], optional: [(String, JSON)] = []) -> JSON {
    .object([
      ("type", .text("object")), ("required", .texts(members.map(\.0))),
      ("properties", .object(members + optional)), ("additionalProperties", .flag(false)),
    ])
  }

  private static func text(_ meaning: String) -> JSON {
    .object([("type", .text("string")), ("description", .text(meaning))])
  }
  private static func number(_ meaning: String) -> JSON {
    .object([("type", .text("number")), ("description", .text(meaning))])
  }
  private static func integer(_ meaning: String, minimum: Int = 0) -> JSON {
    .object([("type", .text("integer")), ("minimum", .integer(minimum)), ("description", .text(meaning))])
  }
  private static func array(_ items: JSON, _ meaning: String) -> JSON {
    .object([("type", .text("array")), ("items", items), ("description", .text(meaning))])
  }
  private static func choice(_ words: [String], _ meaning: String) -> JSON {
    .object([("type", .text("string")), ("enum", .texts(words)), ("description", .text(meaning))])
  }
  private static func nullable(_ type: String, _ meaning: String) -> JSON {
    .object([("type", .texts([type, "null"])), ("description", .text(meaning))])
  }

  private static let item = ("item", text("The item's id."))
  private static let title = ("title", text("What the item is called, where the catalogue says so."))
  private static let rank = ("rank", integer("From 1.", minimum: 1))

  private static let part = object(
    [
      item, ("contribution", number("In units of the score; may be negative.")),
      ("share", number("Of all that speaks for the item, in 0...1; 0 for what speaks against it.")),
    ], optional: [title])

  private static let modelReference = (
    "model",
    object([("plan", text("Hash of the plan that it was trained by.")), ("version", integer("Releases folded into it."))])
  )

  private static let recommendations = object([
    modelReference, ("scene", text("Whose rules the list follows.")),
    ("basis", choice(["history", "popularity"], "popularity: nothing is known of the user.")),
    (
      "items",
      array(
        object(
          [rank, item, ("score", number("Comparable within this list only."))],
          optional: [
            title, ("pinned", .object([("const", .flag(true)), ("description", .text("Stands here by a rule."))])),
            ("because", array(part, "The events that carried it, where they carried at least 5 %.")),
          ]), "Best first.")
    ),
  ])

  private static let similarItems = object([
    modelReference, item, ("scene", text("Whose items are listed.")),
    ("measure", nullable("string", "How items are compared; null when nothing is known by which they are alike.")),
    ("items", array(object([rank, item, ("similarity", number("In -1...1."))], optional: [title]), "The most similar first.")),
  ])

  private static let explanation = object(
    [
      modelReference, item, ("score", number("The model's, without boosts.")),
      (
        "basis",
        choice(
          ["exact", "leave-one-out"],
          "exact: the parts and `rest`, which is what popularity adds, are the score; leave-one-out: each part is what the score loses without that event, and they need not."
        )
      ), ("events", integer("Items in the user's history.")),
      ("considered", integer("How many of the newest of them have a part here.")),
      ("contributions", array(part, "The strongest support first.")),
      ("rest", number("Score minus all parts: what popularity adds while events are few, where the basis is exact.")),
    ], optional: [title])

  private static let event = JSON.object([
    ("type", .text("object")), ("required", .texts(["user", "item"])),
    (
      "properties",
      .object([
        ("user", APIParameter.nameSchema), ("item", APIParameter.nameSchema),
        ("kind", choice(EventBody.kinds, "What the user did; an event without a kind weighs 1.")),
        (
          "time",
          .object([
            ("type", .text("integer")), ("minimum", .integer(0)), ("maximum", .integer(EventBody.timeMax)),
            ("description", .text("When it happened, in seconds since 1970. Histories keep the order of arrival.")),
          ])
        ), ("id", APIParameter.nameSchema),
      ])
    ), ("additionalProperties", .flag(false)),
  ])

  private static let events = JSON.object([
    ("type", .text("object")), ("required", .texts(["events"])),
    (
      "properties",
      .object([
        (
          "events",
          .object([
            ("type", .text("array")), ("minItems", .integer(1)), ("maxItems", .integer(EventBody.countMax)), ("items", event),
            (
              "description",
              .text("Kept all or none, in this order. An event that comes again under the same `id` is not counted again.")
            ),
          ])
        )
      ])
    ), ("additionalProperties", .flag(false)),
  ])

  private static let intake = object([
    ("stored", integer("Events that are on disk now.")),
    ("repeated", integer("Events that were there under the same id.")),
    ("trained", integer("Of the stored ones, those that enter the next round.")),
    (
      "unknownItems",
      array(text("An id."), "Items that the catalogue does not have: the events are kept, and no model knows them.")
    ),
    (
      "notTrained",
      integer("Events of users whom another ledger of this home counts, or may: kept for lists, never trained on.")
    ),
  ])

  private static let model = object([
    ("algorithm", text("Its name in plans.")), ("version", integer("Releases folded into it.")),
    ("plan", text("Hash of the plan.")), ("items", integer("Items of the catalogue.")),
    ("dataSet", text("Whose users are served.")),
    (
      "scenes", array(object([("name", text("Its name.")), ("items", integer("Items that it can list."))]), "In order of names.")
    ),
    ("columns", array(text("A name."), "Columns of items that can be asked for.")),
    ("similarity", nullable("string", "How items are compared.")),
    ("swaps", integer("How often a newer model has taken the place of one since the process began.")),
  ])

  private static let health = object([("status", choice(["ok"], "The process lives."))])
}
