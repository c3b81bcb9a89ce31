/// What a customer did with an item.
public enum EventKind: String, Sendable, CaseIterable {
  case browse, favourite, cart, buy

  /// Reads a word of an event file, without regard to case; the usual names of other shops' logs are understood.
  public init?(parsing word: String) {
    switch word.lowercased() {
    case "browse", "view", "click", "visit", "detail", "pv": self = .browse
    case "favourite", "favorite", "fav", "like", "wish", "wishlist": self = .favourite
    case "cart", "addtocart", "add_to_cart", "add-to-cart", "basket": self = .cart
    case "buy", "purchase", "order", "transaction", "sale": self = .buy
    default: return nil
    }
  }
}

/// How much each kind of event says about a taste, in units of one browse.
///
/// The confidence of a (user, item) pair is the sum over the pair's events; its place in the user's history is that
/// of the last event.
public struct EventWeights: Sendable, Equatable {
  public var browse: Float
  public var favourite: Float
  public var cart: Float
  public var buy: Float

  /// The defaults say: a purchase is worth ten looks. Positive, finite.
  public init(browse: Float = 1, favourite: Float = 3, cart: Float = 5, buy: Float = 10) {
    precondition(
      [browse, favourite, cart, buy].allSatisfy { $0 > 0 && $0.isFinite },
      "event weights are positive and finite")
    self.browse = browse
    self.favourite = favourite
    self.cart = cart
    self.buy = buy
  }

  public subscript(kind: EventKind) -> Float {
    switch kind {
    case .browse: browse
    case .favourite: favourite
    case .cart: cart
    case .buy: buy
    }
  }
}
