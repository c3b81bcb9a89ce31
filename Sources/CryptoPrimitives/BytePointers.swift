// The C interfaces take `unsigned char *`; these two give it for buffers that are known not to be empty.

extension UnsafeRawBufferPointer {
  var bytePointer: UnsafePointer<UInt8> {
    guard let baseAddress else { preconditionFailure("an empty buffer has no address") }
    return baseAddress.assumingMemoryBound(to: UInt8.self)
  }
}

extension UnsafeMutableRawBufferPointer {
  var bytePointer: UnsafeMutablePointer<UInt8> {
    guard let baseAddress else { preconditionFailure("an empty buffer has no address") }
    return baseAddress.assumingMemoryBound(to: UInt8.self)
  }
}
