internal import Glibc

/// The rows of a delimited text file, one at a time, without making strings.
///
/// Comma, semicolon, tab and `::` are recognised from the first line. Quotation marks are RFC 4180's: a field that
/// begins with one ends at the next that is not doubled, and may hold delimiters and, in comma or semicolon files,
/// line ends. Files with tabs are often written without quoting rules, so there a field that begins with a mark but
/// is not properly closed on its line is taken literally, and `::` files know no quoting. Line ends are LF or CRLF,
/// a byte order mark is skipped, empty lines are skipped, and all text must be UTF-8.
final class RowReader {
  enum Separator: Equatable {
    case byte(UInt8)
    case doubleColon

    var name: String {
      switch self {
      case .byte(UInt8(ascii: "\t")): "tab"
      case .byte(let byte): "'\(Character(UnicodeScalar(byte)))'"
      case .doubleColon: "'::'"
      }
    }
  }

  let path: String
  /// The line on which the current row begins, 1-based.
  private(set) var line = 0
  /// Number of fields of the current row.
  private(set) var fieldCount = 0
  private(set) var separator = Separator.byte(UInt8(ascii: "\t"))

  private let source: ByteSource
  private var buffer: UnsafeMutablePointer<UInt8>
  private var capacity: Int
  /// Unread bytes of the buffer.
  private var start = 0
  private var end = 0
  private var sourceIsAtEnd = false
  private var nextLine = 1
  private var separatorIsKnown = false
  private var bounds = FieldBounds()

  /// The longest row that is read; a longer one is most likely a quotation mark that was never closed.
  static let rowSizeMax = 1 << 24

  /// - Throws: `DataImportError` when the file cannot be opened, is empty, or is not UTF-8.
  init(path: String) throws {
    self.path = path
    source = try ByteSource(path: path)
    capacity = 1 << 18
    buffer = .allocate(capacity: capacity)
    try fill()
    if end >= 2, (buffer[0] == 0xFF && buffer[1] == 0xFE) || (buffer[0] == 0xFE && buffer[1] == 0xFF) {
      throw DataImportError(
        file: path, line: 1, found: "UTF-16 text", expected: "UTF-8 text", advice: "save the file as UTF-8")
    }
    if end >= 3, buffer[0] == 0xEF, buffer[1] == 0xBB, buffer[2] == 0xBF { start = 3 }
    if start == end {
      throw DataImportError(
        file: path, found: "an empty file", expected: "a header line and at least one row",
        advice: "check that the file was written completely")
    }
  }

  deinit {
    buffer.deallocate()
    bounds.deallocate()
  }

  /// The bytes of one field of the current row; valid until the next call of `next`.
  ///
  /// - Precondition: `index < fieldCount`.
  func field(_ index: Int) -> UnsafeBufferPointer<UInt8> {
    let (start, end) = bounds[index]
    return UnsafeBufferPointer(start: buffer + start, count: end - start)
  }

  /// One field of the current row as text.
  func text(_ index: Int) -> String { String(decoding: field(index), as: UTF8.self) }

  /// Moves to the next row that is not empty.
  ///
  /// - Returns: whether there is one.
  /// - Throws: `DataImportError` for broken text, quoting or compression.
  func next() throws -> Bool {
    while true {
      line = nextLine
      guard let rowEnd = try findLineEnd(from: start) else { return false }
      if !separatorIsKnown {
        separator = Self.recognise(UnsafeBufferPointer(start: buffer + start, count: rowEnd - start))
        separatorIsKnown = true
      }
      if rowEnd == start || (rowEnd == start + 1 && buffer[start] == UInt8(ascii: "\r")) {
        consume(upTo: rowEnd)
        continue
      }
      try split(rowEnd)
      return true
    }
  }

  // MARK: - Lines

  /// The position of the line feed at or after `position`, or of the end of the last line; `nil` when nothing is left.
  private func findLineEnd(from position: Int) throws -> Int? {
    // Positions are kept relative to `start`, because filling moves the bytes to the front.
    let offset = position - start
    var scanned = offset
    while true {
      let from = start + scanned
      if from < end, let hit = memchr(buffer + from, 10, end - from) {
        let lineEnd = UnsafeMutableRawPointer(buffer).distance(to: hit)
        guard lineEnd - start <= Self.rowSizeMax else { throw rowTooLong() }
        return lineEnd
      }
      scanned = end - start
      guard scanned <= Self.rowSizeMax else { throw rowTooLong() }
      if sourceIsAtEnd { return scanned > offset ? end : nil }
      try fill()
    }
  }

  private func rowTooLong() -> DataImportError {
    DataImportError(
      file: path, line: line, found: "a line of more than 16 MiB", expected: "shorter lines",
      advice: "look for a quotation mark that is never closed")
  }

  private func consume(upTo rowEnd: Int) {
    start = min(rowEnd + 1, end)
    nextLine += 1
  }

  /// Moves the unread bytes to the front and reads more behind them.
  private func fill() throws {
    if start > 0 {
      memmove(buffer, buffer + start, end - start)
      end -= start
      start = 0
    }
    if end == capacity {
      let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity * 2)
      larger.update(from: buffer, count: end)
      buffer.deallocate()
      buffer = larger
      capacity *= 2
    }
    let count = try source.read(into: UnsafeMutableBufferPointer(start: buffer + end, count: capacity - end))
    sourceIsAtEnd = count == 0
    end += count
  }

  // MARK: - Fields

  private func split(_ rowEnd: Int) throws {
    var contentEnd = rowEnd
    if contentEnd > start, buffer[contentEnd - 1] == UInt8(ascii: "\r") { contentEnd -= 1 }
    switch separator {
    case .doubleColon:
      try validate(start..<contentEnd)
      splitAtDoubleColons(contentEnd)
      consume(upTo: rowEnd)
    case .byte(let separator):
      let found = bounds.split(buffer, start..<contentEnd, at: separator)
      if found.hasMark, separator != UInt8(ascii: "\t") {
        try splitQuoted(firstLineEnd: rowEnd, at: separator)
      } else {
        if !found.isASCII { try validate(start..<contentEnd) }
        if found.hasMark { unquoteLeniently() }
        consume(upTo: rowEnd)
      }
    }
    fieldCount = bounds.count
  }

  private func splitAtDoubleColons(_ contentEnd: Int) {
    bounds.removeAll()
    var fieldStart = start
    var position = start
    while position + 1 < contentEnd {
      if buffer[position] == UInt8(ascii: ":"), buffer[position + 1] == UInt8(ascii: ":") {
        bounds.append(fieldStart, position)
        position += 2
        fieldStart = position
      } else {
        position += 1
      }
    }
    bounds.append(fieldStart, contentEnd)
  }

  /// Tab files: a field is unquoted only where its quotation marks are those of RFC 4180.
  private func unquoteLeniently() {
    for index in 0..<bounds.count {
      let (first, last) = bounds[index]
      guard last - first >= 2, buffer[first] == 34, buffer[last - 1] == 34 else { continue }
      var marks = 0
      var paired = true
      for position in first + 1..<last - 1 {
        if buffer[position] == 34 {
          marks += 1
        } else {
          paired = paired && marks % 2 == 0
          marks = 0
        }
      }
      guard paired, marks % 2 == 0 else { continue }
      var write = first
      var read = first + 1
      while read < last - 1 {
        buffer[write] = buffer[read]
        read += buffer[read] == 34 ? 2 : 1
        write += 1
      }
      bounds[index] = (first, write)
    }
  }

  /// RFC 4180 with line ends inside quotation marks: one pass, unquoting in place.
  private func splitQuoted(firstLineEnd: Int, at separator: UInt8) throws {
    enum State { case fieldStart, plain, quoted, closing }
    var state = State.fieldStart
    // All offsets are relative to `start`, which stays while the buffer may move.
    var lineEnd = firstLineEnd - start
    var read = 0
    var write = 0
    var fieldStart = 0
    var lines = 1
    var row = buffer + start
    bounds.removeAll()
    while true {
      while read < lineEnd {
        let byte = row[read]
        read += 1
        switch state {
        case .fieldStart, .plain:
          if byte == separator {
            bounds.append(fieldStart, write)
            fieldStart = write
            state = .fieldStart
          } else if byte == 34, state == .fieldStart {
            state = .quoted
          } else if byte == 34 {
            throw quotingError(
              line + lines - 1, "a quotation mark inside a field that does not begin with one")
          } else {
            row[write] = byte
            write += 1
            state = .plain
          }
        case .quoted:
          if byte == 34 {
            state = .closing
          } else {
            row[write] = byte
            write += 1
          }
        case .closing:
          if byte == 34 {
            row[write] = byte
            write += 1
            state = .quoted
          } else if byte == separator {
            bounds.append(fieldStart, write)
            fieldStart = write
            state = .fieldStart
          } else if byte == UInt8(ascii: "\r"), read == lineEnd {
            break
          } else {
            throw quotingError(line + lines - 1, "text after a closing quotation mark")
          }
        }
      }
      guard state == .quoted else { break }
      // The line feed belongs to the field; go on with the next line.
      let atEnd = start + lineEnd >= end
      guard !atEnd, let next = try findLineEnd(from: start + lineEnd + 1) else {
        throw quotingError(line, "a quotation mark that is never closed")
      }
      row = buffer + start
      row[write] = 10
      write += 1
      read = lineEnd + 1
      lineEnd = next - start
      lines += 1
    }
    if state == .plain, write > fieldStart, row[write - 1] == UInt8(ascii: "\r") { write -= 1 }
    bounds.append(fieldStart, write)
    try validate(start..<start + write)
    bounds.move(by: start)
    nextLine += lines - 1
    consume(upTo: start + lineEnd)
  }

  private func quotingError(_ line: Int, _ found: String) -> DataImportError {
    DataImportError(
      file: path, line: line, found: found,
      expected: "fields quoted as in RFC 4180 (\"like \"\"this\"\"\")",
      advice: "quote the whole field and double the marks inside it")
  }

  // MARK: - Text

  private func validate(_ range: Range<Int>) throws {
    var position = range.lowerBound
    while position < range.upperBound, buffer[position] < 0x80 { position += 1 }
    guard position < range.upperBound else { return }
    let bytes = UnsafeBufferPointer(start: buffer + position, count: range.upperBound - position)
    if (try? UTF8Span(validating: bytes.span)) != nil { return }
    throw DataImportError(
      file: path, line: line, found: "bytes that are not UTF-8", expected: "UTF-8 text",
      advice: "convert the file, for instance with iconv -f latin1 -t utf-8")
  }

  private static func recognise(_ line: UnsafeBufferPointer<UInt8>) -> Separator {
    var commas = 0
    var semicolons = 0
    var doubleColons = 0
    var isQuoted = false
    var previous: UInt8 = 0
    for byte in line {
      if byte == 34 { isQuoted.toggle() }
      if !isQuoted {
        switch byte {
        case UInt8(ascii: "\t"): return .byte(byte)
        case UInt8(ascii: ","): commas += 1
        case UInt8(ascii: ";"): semicolons += 1
        case UInt8(ascii: ":") where previous == byte: doubleColons += 1
        default: break
        }
      }
      previous = byte
    }
    if doubleColons > 0, commas == 0, semicolons == 0 { return .doubleColon }
    return .byte(UInt8(ascii: semicolons > commas ? ";" : ","))
  }
}
