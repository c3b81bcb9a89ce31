#include "BitPacking.h"
#include "clones.h"
#include <string.h>

// Eight entries of b bits are exactly b bytes, so whole groups of eight start at a byte. Words are moved by memcpy,
// byte order least significant first; a big-endian machine takes the byte loops at the end.

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define TACIT_FAST_WORDS 1
#else
#define TACIT_FAST_WORDS 0
#endif

// Entry i, byte by byte; touches only bytes that hold its bits.
static inline uint64_t entry_slow(const uint8_t *bytes, size_t i, uint32_t bits) {
  size_t position = i * bits;
  uint64_t value = 0;
  uint32_t got = 0;
  while (got < bits) {
    uint32_t shift = (uint32_t)(position & 7);
    uint32_t take = 8 - shift < bits - got ? 8 - shift : bits - got;
    value |= (uint64_t)((bytes[position >> 3] >> shift) & ((1u << take) - 1)) << got;
    got += take;
    position += take;
  }
  return value;
}

__attribute__((unused)) static inline void store_slow(uint8_t *bytes, size_t i, uint32_t bits, uint64_t value) {
  size_t position = i * bits;
  uint32_t done = 0;
  while (done < bits) {
    uint32_t shift = (uint32_t)(position & 7);
    uint32_t take = 8 - shift < bits - done ? 8 - shift : bits - done;
    uint8_t part = (uint8_t)(((value >> done) & ((1u << take) - 1)) << shift);
    // A byte is overwritten when its first bit is written, so the target need not be cleared.
    bytes[position >> 3] = shift == 0 ? part : (uint8_t)(bytes[position >> 3] | part);
    done += take;
    position += take;
  }
}

// Groups of eight entries whose 8-byte words all lie inside the packed bytes.
static inline size_t fast_groups(size_t count, uint32_t bits) {
  if (!TACIT_FAST_WORDS) return 0;
  size_t groups = count / 8;
  size_t total = (count * bits + 7) / 8;
  while (groups > 0 && groups * bits + 8 > total) groups--;
  return groups;
}

TACIT_CLONES void tacit_pack_u32(
    uint8_t *restrict bytes, const uint32_t *restrict lanes, size_t count, uint32_t bits) {
  const uint64_t mask = ((uint64_t)1 << bits) - 1;
  size_t groups = fast_groups(count, bits);
  uint8_t *out = bytes;
  for (size_t g = 0; g < groups; g++) {
    const uint32_t *in = lanes + 8 * g;
    uint64_t word = 0;
    uint32_t used = 0;
    uint8_t *o = out;
    for (int k = 0; k < 8; k++) {
      // used < 32 here, so 32 more bits fit.
      word |= (in[k] & mask) << used;
      used += bits;
      if (used >= 32) {
        uint32_t low = (uint32_t)word;
        memcpy(o, &low, 4);
        o += 4;
        word >>= 32;
        used -= 32;
      }
    }
    // At most 24 bits are left; the bytes behind them belong to the next group or to the slow tail and are rewritten.
    uint32_t low = (uint32_t)word;
    memcpy(o, &low, 4);
    out += bits;
  }
  for (size_t i = 8 * groups; i < count; i++) store_slow(bytes, i, bits, lanes[i] & mask);
}

TACIT_CLONES void tacit_add_packed_u32(
    uint32_t *restrict lanes, const uint8_t *restrict bytes, size_t count, uint32_t bits) {
  const uint64_t mask = ((uint64_t)1 << bits) - 1;
  size_t groups = fast_groups(count, bits);
  for (size_t g = 0; g < groups; g++) {
    const uint8_t *in = bytes + g * bits;
    uint32_t *out = lanes + 8 * g;
    for (uint32_t k = 0; k < 8; k++) {
      uint32_t position = k * bits;
      uint64_t word;
      memcpy(&word, in + (position >> 3), 8);
      out[k] += (uint32_t)((word >> (position & 7)) & mask);
    }
  }
  for (size_t i = 8 * groups; i < count; i++) lanes[i] += (uint32_t)entry_slow(bytes, i, bits);
}

void tacit_pack_u64(uint8_t *restrict bytes, const uint64_t *restrict lanes, size_t count, uint32_t bits) {
  const uint64_t mask = ((uint64_t)1 << bits) - 1;
#if TACIT_FAST_WORDS
  // Fewer than 64 bits wait when the next at most 62 come, so that 128 hold both.
  unsigned __int128 waiting = 0;
  uint32_t used = 0;
  for (size_t i = 0; i < count; i++) {
    waiting |= (unsigned __int128)(lanes[i] & mask) << used;
    used += bits;
    if (used >= 64) {
      uint64_t word = (uint64_t)waiting;
      memcpy(bytes, &word, 8);
      bytes += 8;
      waiting >>= 64;
      used -= 64;
    }
  }
  uint64_t word = (uint64_t)waiting;
  memcpy(bytes, &word, (used + 7) / 8);
#else
  for (size_t i = 0; i < count; i++) store_slow(bytes, i, bits, lanes[i] & mask);
#endif
}

void tacit_add_packed_u64(uint64_t *restrict lanes, const uint8_t *restrict bytes, size_t count, uint32_t bits) {
  size_t i = 0;
#if TACIT_FAST_WORDS
  const uint64_t mask = ((uint64_t)1 << bits) - 1;
  const size_t total = (count * bits + 7) / 8;
  // An entry of at most 62 bits that starts inside a byte spans at most nine bytes: sixteen are read.
  for (; i < count && (i * bits >> 3) + 16 <= total; i++) {
    size_t position = i * bits;
    unsigned __int128 word;
    memcpy(&word, bytes + (position >> 3), 16);
    lanes[i] += (uint64_t)(word >> (position & 7)) & mask;
  }
#endif
  for (; i < count; i++) lanes[i] += entry_slow(bytes, i, bits);
}
