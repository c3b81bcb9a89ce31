internal import CVectorKernels
package import CryptoPrimitives
internal import Dispatch

/// One mask to add to or subtract from a vector: a one-time key and a sign.
package struct Mask {
  package enum Sign { case plus, minus }
  package let key: SecretBytes
  package let sign: Sign

  package init(key: SecretBytes, sign: Sign) {
    self.key = key
    self.sign = sign
  }
}

/// Expands masks and adds them in place, chunk by chunk: no mask is ever a vector in memory.
///
/// A mask has one lane for each entry: 4 bytes when b ≤ 32, else 8, least significant byte first, taken from the
/// keystream from its start. Bits above b are uniform too and do no harm: they are dropped with the sum's.
package enum MaskExpansion {
  /// Bytes of keystream made at once; fits the first two cache levels together with the chunk that it is added to.
  package static let chunkBytes = 1 << 15
  /// Keystreams that are open at once; bounds memory when there are many peers.
  private static let streamsMax = 64

  /// Adds all masks to all entries.
  ///
  /// - Parameter threads: the vector is cut into as many disjoint ranges, which are worked on at the same time.
  package static func apply(_ masks: [Mask], to vector: inout RingVector, suite: KeystreamSuite, threads: Int) {
    let laneBytes = vector.isNarrow ? 4 : 8
    if vector.isNarrow {
      vector.narrow.withUnsafeMutableBytes {
        apply(masks, to: $0, laneBytes: laneBytes, suite: suite, threads: threads)
      }
    } else {
      vector.wide.withUnsafeMutableBytes {
        apply(masks, to: $0, laneBytes: laneBytes, suite: suite, threads: threads)
      }
    }
  }

  private static func apply(
    _ masks: [Mask], to lanes: UnsafeMutableRawBufferPointer, laneBytes: Int, suite: KeystreamSuite,
    threads: Int
  ) {
    let chunkCount = (lanes.count + chunkBytes - 1) / chunkBytes
    let parts = max(1, min(threads, chunkCount))
    let boundaries = (0...parts).map { min(lanes.count, chunkCount * $0 / parts * chunkBytes) }
    if parts == 1 {
      apply(masks, to: lanes, range: 0..<lanes.count, laneBytes: laneBytes, suite: suite)
    } else {
      // The ranges are disjoint, so that no two threads touch the same lane.
      nonisolated(unsafe) let shared = lanes
      DispatchQueue.concurrentPerform(iterations: parts) { part in
        apply(
          masks, to: shared, range: boundaries[part]..<boundaries[part + 1], laneBytes: laneBytes,
          suite: suite)
      }
    }
  }

  /// Adds the masks' bytes `range` to the lanes' bytes `range`; its start is a multiple of the chunk size.
  private static func apply(
    _ masks: [Mask], to lanes: UnsafeMutableRawBufferPointer, range: Range<Int>, laneBytes: Int,
    suite: KeystreamSuite
  ) {
    let zeros = UnsafeMutableRawBufferPointer.allocate(byteCount: chunkBytes, alignment: 64)
    let stream = UnsafeMutableRawBufferPointer.allocate(byteCount: chunkBytes, alignment: 64)
    zeros.initializeMemory(as: UInt8.self, repeating: 0)
    defer {
      wipe(stream)
      stream.deallocate()
      zeros.deallocate()
    }
    for first in stride(from: 0, to: masks.count, by: streamsMax) {
      let batch = masks[first..<min(first + streamsMax, masks.count)]
      let streams = batch.map {
        (Keystream(suite: suite, key: $0.key, byteOffset: range.lowerBound), $0.sign)
      }
      for start in stride(from: range.lowerBound, to: range.upperBound, by: chunkBytes) {
        let count = min(chunkBytes, range.upperBound - start)
        let target = UnsafeMutableRawBufferPointer(rebasing: lanes[start..<start + count])
        let chunk = UnsafeMutableRawBufferPointer(rebasing: stream[..<count])
        for (keystream, sign) in streams {
          keystream.next(into: chunk, zeros: UnsafeRawBufferPointer(zeros))
          combine(UnsafeRawBufferPointer(chunk), sign, into: target, laneBytes: laneBytes)
        }
      }
    }
  }

  private static func combine(
    _ mask: UnsafeRawBufferPointer, _ sign: Mask.Sign, into target: UnsafeMutableRawBufferPointer,
    laneBytes: Int
  ) {
    if laneBytes == 4 {
      let source = mask.assumingMemoryBound(to: UInt32.self)
      let lanes = target.assumingMemoryBound(to: UInt32.self)
      switch sign {
      case .plus: tacit_add_u32(lanes.baseAddress, source.baseAddress, source.count)
      case .minus: tacit_sub_u32(lanes.baseAddress, source.baseAddress, source.count)
      }
    } else {
      let source = mask.assumingMemoryBound(to: UInt64.self)
      let lanes = target.assumingMemoryBound(to: UInt64.self)
      switch sign {
      case .plus: tacit_add_u64(lanes.baseAddress, source.baseAddress, source.count)
      case .minus: tacit_sub_u64(lanes.baseAddress, source.baseAddress, source.count)
      }
    }
  }
}
