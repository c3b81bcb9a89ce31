#include "CVectorKernels.h"
#include "clones.h"

#include <math.h>

TACIT_CLONES void tacit_add_u32(uint32_t *restrict acc, const uint32_t *restrict addend, size_t count) {
  for (size_t i = 0; i < count; i++) acc[i] += addend[i];
}

TACIT_CLONES void tacit_sub_u32(uint32_t *restrict acc, const uint32_t *restrict subtrahend, size_t count) {
  for (size_t i = 0; i < count; i++) acc[i] -= subtrahend[i];
}

TACIT_CLONES void tacit_add_u64(uint64_t *restrict acc, const uint64_t *restrict addend, size_t count) {
  for (size_t i = 0; i < count; i++) acc[i] += addend[i];
}

TACIT_CLONES void tacit_sub_u64(uint64_t *restrict acc, const uint64_t *restrict subtrahend, size_t count) {
  for (size_t i = 0; i < count; i++) acc[i] -= subtrahend[i];
}

// Whatever is out of range becomes 0: no conversion is undefined. NaN compares false.
#define NEAREST(type)                                                                                         \
  int64_t bad = 0;                                                                                            \
  for (size_t i = 0; i < count; i++) {                                                                        \
    double value = rint(values[i] * scale);                                                                   \
    int fits = fabs(value) <= limit;                                                                          \
    bad |= !fits;                                                                                             \
    lanes[i] = (type)(int64_t)(fits ? value : 0.0);                                                           \
  }                                                                                                           \
  return bad == 0;

TACIT_CLONES int tacit_nearest_u32(
    uint32_t *restrict lanes, const double *restrict values, size_t count, double scale, double limit) {
  NEAREST(uint32_t)
}

TACIT_CLONES int tacit_nearest_u64(
    uint64_t *restrict lanes, const double *restrict values, size_t count, double scale, double limit) {
  NEAREST(uint64_t)
}
