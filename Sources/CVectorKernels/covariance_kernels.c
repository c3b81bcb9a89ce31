#include "covariance_kernels.h"

#include <math.h>

#include "clones.h"

TACIT_CLONES void tacit_pack_rank_two_f32(
    const float *restrict a, const float *restrict h, const float *restrict b, const float *restrict v, size_t size,
    float *restrict packed) {
  const float root_two = 1.41421356237309505f;
  for (size_t i = 0; i < size; i++) {
    *packed++ = a[i] * h[i] + b[i] * v[i];
    const float first = root_two * a[i], second = root_two * b[i];
    const float *restrict rest_h = h + i + 1, *restrict rest_v = v + i + 1;
    const size_t count = size - i - 1;
    for (size_t j = 0; j < count; j++) packed[j] = first * rest_h[j] + second * rest_v[j];
    packed += count;
  }
}

TACIT_CLONES void tacit_axpy_f32(float *restrict y, float factor, const float *restrict x, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] += factor * x[i];
}

TACIT_CLONES void tacit_bury_nan_f32(float *scores, size_t count) {
  for (size_t i = 0; i < count; i++) scores[i] = scores[i] == scores[i] ? scores[i] : -INFINITY;
}

TACIT_CLONES void tacit_count_above_f32(
    const float *scores, size_t count, float threshold, size_t *above, size_t *equal) {
  size_t done = 0, greater = 0, same = 0;
  while (done < count) {
    // Short 32-bit counters keep the loop in full vectors.
    const size_t stop = count - done > 1u << 20 ? done + (1u << 20) : count;
    uint32_t g = 0, s = 0;
    for (size_t i = done; i < stop; i++) {
      g += scores[i] > threshold;
      s += scores[i] == threshold;
    }
    greater += g;
    same += s;
    done = stop;
  }
  *above = greater;
  *equal = same;
}
