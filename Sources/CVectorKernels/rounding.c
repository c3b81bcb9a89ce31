#include "CVectorKernels.h"
#include "clones.h"

TACIT_CLONES double tacit_sum_of_squares(const float *values, size_t count) {
  enum { LANES = 16 };
  double partial[LANES] = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (size_t lane = 0; lane < LANES; lane++) {
      double value = values[i + lane];
      partial[lane] += value * value;
    }
  for (size_t lane = 0; i < count; i++, lane++) {
    double value = values[i];
    partial[lane] += value * value;
  }
  double sum = 0;
  for (size_t lane = 0; lane < LANES; lane++) sum += partial[lane];
  return sum;
}

// A keyed hash of the position, 32 bits out, no state: it vectorises. Multiplications and shifts of Chris Wellons'
// lowbias32, twice, with a fresh key before each. It need not be cryptographic: see UpdateEncoder.
static inline uint32_t coin(uint32_t position, uint32_t k0, uint32_t k1, uint32_t k2) {
  uint32_t x = position * (k2 | 1u) + k0;
  x ^= x >> 16;
  x *= 0x21f0aaadu;
  x ^= x >> 15;
  x *= 0x735a2d97u;
  x ^= x >> 15;
  x += k1;
  x *= 0x21f0aaadu;
  x ^= x >> 15;
  x *= 0x735a2d97u;
  x ^= x >> 16;
  return x;
}

TACIT_CLONES int64_t tacit_round_stochastically(
    int32_t *restrict output, const float *restrict values, size_t count, double factor, uint64_t key0,
    uint64_t key1) {
  const uint32_t k0 = (uint32_t)key0, k1 = (uint32_t)(key0 >> 32), k2 = (uint32_t)key1;
  const double unit = 1.0 / 4294967296.0;
  int64_t squares = 0;
  for (size_t i = 0; i < count; i++) {
    // The hash as a signed number plus 2^31 is uniform on the integers of [0, 2^32).
    int32_t centred = (int32_t)coin((uint32_t)i, k0, k1, k2);
    double x = (double)values[i] * factor + ((double)centred + 2147483648.0) * unit;
    int32_t floor = (int32_t)x;
    floor -= (double)floor > x;
    output[i] = floor;
    squares += (int64_t)floor * (int64_t)floor;
  }
  return squares;
}

TACIT_CLONES int64_t tacit_truncate(
    int32_t *restrict output, const float *restrict values, size_t count, double factor) {
  int64_t squares = 0;
  for (size_t i = 0; i < count; i++) {
    int32_t value = (int32_t)((double)values[i] * factor);
    output[i] = value;
    squares += (int64_t)value * (int64_t)value;
  }
  return squares;
}

TACIT_CLONES void tacit_accumulate_i32(int64_t *restrict sum, const int32_t *restrict addend, size_t count) {
  for (size_t i = 0; i < count; i++) sum[i] += addend[i];
}
