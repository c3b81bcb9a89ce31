package import CryptoPrimitives

/// What a hash, a signature or a derived key is for. Each has one purpose, and the purpose is part of its input.
package enum Purpose: String, CaseIterable {
  // Signatures
  case keyAdvertisement = "key advertisement"
  case shareRoot = "share root"
  case survivorSet = "survivor set"
  // Hashes
  case advertisementList = "advertisement list"
  case transcript = "transcript"
  case drawnAdvertisementList = "advertisement list of a drawn graph"
  case drawnTranscript = "transcript of a drawn graph"
  case selfMaskCommitment = "self-mask commitment"
  case maskSeedCommitment = "mask-seed commitment"
  case shareCommitment = "share commitment"
  case shareLeaf = "share leaf"
  // Derived keys
  case maskKeyPair = "mask key pair"
  case selfMask = "self mask"
  case pairMask = "pair mask"
  case channel = "channel"
  // Additional data of the AEAD
  case sealedShares = "sealed shares"
}

/// The one encoding under every hash, signature and key derivation: fields in a fixed order, each preceded by its
/// length as 4 bytes, least significant first.
///
/// The first eight fields are always the same: the ASCII string `tacit-secagg`, version (2 bytes), suite (1), purpose
/// (ASCII), session (16), round (4), attempt (4), binding (32). Integers are least significant byte first. Two
/// different lists of fields never encode to the same bytes.
package struct FieldEncoder {
  package private(set) var bytes: [UInt8] = []
  private var headCount = 0

  package init(
    _ purpose: Purpose, version: UInt16 = KeyAdvertisement.currentVersion, suite: UInt8,
    context: AttemptContext
  ) {
    bytes.reserveCapacity(512)
    append(ascii: "tacit-secagg")
    append(version)
    append(suite)
    append(ascii: purpose.rawValue)
    append(context.session)
    append(context.round)
    append(context.attempt)
    append(context.binding)
    headCount = bytes.count
  }

  package init(_ purpose: Purpose, suite: KeystreamSuite, context: AttemptContext) {
    self.init(purpose, suite: suite.rawValue, context: context)
  }

  /// Back to the first eight fields.
  mutating func restart() { bytes.removeSubrange(headCount...) }

  /// Room for as many bytes more.
  mutating func reserveCapacity(_ count: Int) { bytes.reserveCapacity(bytes.count + count) }

  package mutating func append(_ field: [UInt8]) {
    appendLength(field.count)
    bytes.append(contentsOf: field)
  }

  package mutating func append(_ field: some FixedBytes) {
    field.withUnsafeBytes { field in
      appendLength(field.count)
      bytes.append(contentsOf: field)
    }
  }

  package mutating func append(_ field: some FixedWidthInteger & UnsignedInteger) {
    appendLength(field.bitWidth / 8)
    appendRaw(field)
  }

  /// Hashes the fields so far and one last field that is secret and is never copied into the encoder.
  ///
  /// - Parameter hasher: has begun nothing yet, and is left so.
  func hash(closingWith secret: UnsafeRawBufferPointer, by hasher: inout SHA256Hasher) -> Digest {
    hasher.update(bytes)
    withUnsafeBytes(of: UInt32(secret.count).littleEndian) { hasher.update($0) }
    hasher.update(secret)
    return hasher.next()
  }

  package func hash() -> Digest { SHA256.hash(bytes) }

  private mutating func append(ascii text: String) {
    appendLength(text.utf8.count)
    bytes.append(contentsOf: text.utf8)
  }

  private mutating func appendLength(_ length: Int) { appendRaw(UInt32(length)) }

  private mutating func appendRaw(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }
}
