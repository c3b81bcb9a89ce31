internal import Foundation

/// A drawing for the report: its SVG, with a title and a description for readers who do not see it.
public struct ReportFigure: Sendable, Equatable {
  /// Stable name, fit for a file: "epsilon-over-releases".
  public var id: String
  public var title: String
  /// What the drawing shows, with its figures, in words: the description for readers who do not see it.
  public var summary: String
  /// The sentence below the drawing.
  public var caption: String
  /// A whole `svg` element that needs nothing from outside; colours follow the reader's light or dark theme.
  public var svg: String
  /// The same without its style, for a page that holds `Drawing.style` once.
  package var inlineSVG: String
  /// True when it needs the whole width of the page.
  package var isWide: Bool
}

/// One axis: maps values to coordinates and chooses its ticks.
struct Axis {
  var low: Double
  var high: Double
  var start: Double
  var end: Double
  var isLogarithmic = false

  /// - Precondition: low < high; both positive when logarithmic.
  func position(_ value: Double) -> Double {
    precondition(low < high, "an axis spans an interval")
    let (a, b, x) = isLogarithmic ? (log10(low), log10(high), log10(value)) : (low, high, value)
    return start + (end - start) * min(max((x - a) / (b - a), -0.05), 1.05)
  }

  /// Round values within the axis: steps of 1, 2 or 5 times a power of ten; whole decades when logarithmic.
  func ticks(about count: Int = 5) -> [(value: Double, label: String)] {
    if isLogarithmic {
      let first = Int((log10(low) - 1e-9).rounded(.up))
      let last = Int((log10(high) + 1e-9).rounded(.down))
      guard last >= first else { return [] }
      let stride = max(1, (last - first + count) / count)
      return Swift.stride(from: first, through: last, by: stride).map {
        (pow(10, Double($0)), ReportNumber.powerOfTen($0))
      }
    }
    let raw = (high - low) / Double(count)
    let power = pow(10, log10(raw).rounded(.down))
    let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= raw * 0.999 } ?? raw
    let first = Int((low / step - 1e-9).rounded(.up))
    let last = Int((high / step + 1e-9).rounded(.down))
    guard last >= first else { return [] }
    let decimals = max(0, -Int(log10(step).rounded(.down)))
    return (first...last).map { (Double($0) * step, ReportNumber.decimals(Double($0) * step, decimals)) }
  }

  /// An axis from 0 to a little above the largest value, ending on a tick.
  static func fromZero(to largest: Double, start: Double, end: Double) -> Axis {
    let largest = largest > 0 && largest.isFinite ? largest : 1
    let power = pow(10, log10(largest / 5).rounded(.down))
    let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= largest / 5 * 0.999 } ?? largest / 5
    return Axis(low: 0, high: (largest / step - 1e-9).rounded(.up) * step, start: start, end: end)
  }
}

/// The paper of a drawing: accessible root element, style, frame.
enum Drawing {
  /// - Parameters:
  ///   - content: what is drawn, in the coordinates of a box `width` × `height`.
  static func figure(
    id: String, title: String, summary: String, caption: String? = nil, width: Double, height: Double,
    isWide: Bool = false, content: Markup
  ) -> ReportFigure {
    func root(_ style: Markup) -> Markup {
      """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(at: width) \(at: height)" role="img" \
      aria-labelledby="\(id)-title \(id)-desc" class="plot">
      <title id="\(id)-title">\(title)</title>
      <desc id="\(id)-desc">\(summary)</desc>
      \(style)<defs>\(patterns(id))</defs>
      \(content)</svg>
      """
    }
    return ReportFigure(
      id: id, title: title, summary: summary, caption: caption ?? summary,
      svg: root("<style>\(style)</style>\n").source,
      inlineSVG: root("").source, isWide: isWide)
  }

  static func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: String) -> Markup {
    "<line x1=\"\(at: x1)\" y1=\"\(at: y1)\" x2=\"\(at: x2)\" y2=\"\(at: y2)\" class=\"\(style)\"/>\n"
  }

  static func text(_ x: Double, _ y: Double, _ style: String, _ text: String) -> Markup {
    "<text x=\"\(at: x)\" y=\"\(at: y)\" class=\"\(style)\">\(text)</text>\n"
  }

  static func rectangle(
    _ x: Double, _ y: Double, _ width: Double, _ height: Double, _ style: String, fill: String? = nil
  )
    -> Markup
  {
    let fill: Markup = fill.map { " fill=\"\($0)\"" } ?? ""
    return
      "<rect x=\"\(at: x)\" y=\"\(at: y)\" width=\"\(at: max(width, 0))\" height=\"\(at: height)\" class=\"\(style)\"\(fill)/>\n"
  }

  static func path(_ points: [(x: Double, y: Double)], _ style: String) -> Markup {
    let commands = points.enumerated().map { index, point -> Markup in
      "\(index == 0 ? "M" : "L")\(at: point.x) \(at: point.y)"
    }
    return "<path d=\"\(commands)\" class=\"\(style)\"/>\n"
  }

  /// A mark of series 0, 1, 2 …: circle, square, diamond, triangle, so that no line is known by colour alone.
  static func mark(_ series: Int, _ x: Double, _ y: Double, hollow: Bool = false) -> Markup {
    let style = "mark m\(series % 4 + 1)" + (hollow ? " hollow" : "")
    switch series % 4 {
    case 0: return "<circle cx=\"\(at: x)\" cy=\"\(at: y)\" r=\"3.5\" class=\"\(style)\"/>\n"
    case 1: return rectangle(x - 3, y - 3, 6, 6, style)
    case 2:
      return
        "<path d=\"M\(at: x) \(at: y - 4.5)L\(at: x + 4.5) \(at: y)L\(at: x) \(at: y + 4.5)L\(at: x - 4.5) \(at: y)Z\" class=\"\(style)\"/>\n"
    default:
      return
        "<path d=\"M\(at: x) \(at: y - 4.5)L\(at: x + 4.5) \(at: y + 3.5)L\(at: x - 4.5) \(at: y + 3.5)Z\" class=\"\(style)\"/>\n"
    }
  }

  /// Horizontal grid lines with their labels, and both axes' names.
  static func frame(
    _ x: Axis, _ y: Axis, xName: String, yName: String, xTicks: [(value: Double, label: String)]
  )
    -> Markup
  {
    var content = Markup.empty
    for tick in y.ticks() {
      let position = y.position(tick.value)
      content += line(x.start, position, x.end, position, "grid")
      content += text(x.start - 8, position + 4, "tick right", tick.label)
    }
    for tick in xTicks {
      let position = x.position(tick.value)
      content += line(position, y.start, position, y.start + 4, "axis")
      content += text(position, y.start + 18, "tick middle", tick.label)
    }
    content += line(x.start, y.start, x.end, y.start, "axis")
    content += text((x.start + x.end) / 2, y.start + 38, "name middle", xName)
    content += text(x.start - 40, y.end - 14, "name", yName)
    return content
  }

  /// A name shortened for a label; the whole name stands in the tables.
  static func shortened(_ name: String, to count: Int = 22) -> String {
    let name = Escaping.visible(name)
    return name.count <= count ? name : name.prefix(count - 1) + "…"
  }

  /// Fills by method: solid, hatched, dotted, outlined.
  private static func patterns(_ id: String) -> Markup {
    """
    <pattern id="\(id)-hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">\
    <rect width="5" height="5" class="p2"/><rect width="2" height="5" class="gap"/></pattern>\
    <pattern id="\(id)-dots" width="5" height="5" patternUnits="userSpaceOnUse">\
    <rect width="5" height="5" class="gap"/><circle cx="2.5" cy="2.5" r="1.5" class="p3"/></pattern>\
    <pattern id="\(id)-cross" width="6" height="6" patternUnits="userSpaceOnUse">\
    <rect width="6" height="6" class="gap"/><path d="M0 0L6 6M6 0L0 6" class="p5"/></pattern>
    """
  }

  /// Colours after Okabe and Ito (2008), which stay apart under the common kinds of colour blindness; darker in
  /// light and lighter in dark surroundings, so that lines keep a contrast of 3:1 and text one of 4.5:1.
  static let style: Markup = """
    .plot{--ink:#1c2430;--soft:#566070;--rule:#d9dee6;--paper:#fff;--c1:#0067a5;--c2:#b84a00;--c3:#007a5a;--c4:#8a4f7d;\
    --c5:#5f6875;font-family:system-ui,"DejaVu Sans",sans-serif}\
    @media screen and (prefers-color-scheme:dark){.plot{--ink:#e8ecf2;--soft:#a9b3c1;--rule:#37404d;--paper:#171c24;\
    --c1:#62b5f0;--c2:#f0955a;--c3:#4cc9a0;--c4:#d9a0cb;--c5:#a9b3c1}}\
    .plot text{fill:var(--ink);font-size:12px}.plot .tick,.plot .name{fill:var(--soft)}\
    .plot .small{font-size:10.5px;fill:var(--soft)}.plot .middle{text-anchor:middle}.plot .right{text-anchor:end}\
    .plot .strong{font-weight:600}.plot .grid{stroke:var(--rule);stroke-width:1}\
    .plot .axis{stroke:var(--soft);stroke-width:1}\
    .plot .whisker{stroke:var(--ink);stroke-width:1.5}.plot .halo{stroke:var(--paper);stroke-width:4}\
    .plot .cap{stroke:var(--c2);stroke-width:2;stroke-dasharray:8 4}\
    .plot path.s{fill:none;stroke-width:2;stroke-linejoin:round}\
    .plot .s1{stroke:var(--c1)}.plot .s2{stroke:var(--c2);stroke-dasharray:7 4}.plot .s3{stroke:var(--c3);stroke-dasharray:2 3}\
    .plot .s4{stroke:var(--c4);stroke-dasharray:9 3 2 3}\
    .plot .mark{stroke-width:1.5}.plot .m1{fill:var(--c1);stroke:var(--c1)}.plot .m2{fill:var(--c2);stroke:var(--c2)}\
    .plot .m3{fill:var(--c3);stroke:var(--c3)}.plot .m4{fill:var(--c4);stroke:var(--c4)}.plot .hollow{fill:var(--paper)}\
    .plot .p1{fill:var(--c1)}.plot .p2{fill:var(--c2)}.plot .p3{fill:var(--c3)}.plot .p5{fill:none;stroke:var(--c5)}\
    .plot .gap{fill:var(--paper)}.plot .edge{stroke-width:1}\
    .plot .e1{stroke:var(--c1)}.plot .e2{stroke:var(--c2)}.plot .e3{stroke:var(--c3)}.plot .e4{stroke:var(--c4);fill:var(--paper)}\
    .plot .e5{stroke:var(--c5)}
    """
}
