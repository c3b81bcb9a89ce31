// Small symmetric systems for factorization models.
#include "include/factor_kernels.h"

#include <math.h>
#include <string.h>

#include "lanes.h"

enum { TILE_ROWS = 8, CHUNK = 32 };

TACIT_CLONES
float tacit_dot_f32(const float *x, const float *y, size_t count) {
  lanes acc = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) acc += load(x + i) * load(y + i);
  float sum;
  fold(acc, sum);
  for (; i < count; i++) sum += x[i] * y[i];
  return sum;
}

TACIT_CLONES
void tacit_gathered_dots_f32(const float *table, size_t stride, const int32_t *index, size_t count, const float *vector, float *out) {
  for (size_t k = 0; k < count; k++) {
    const float *row = table + (size_t)index[k] * stride;
    lanes acc = {0};
    for (size_t i = 0; i < stride; i += LANES) acc += load(row + i) * load(vector + i);
    fold(acc, out[k]);
  }
}

TACIT_CLONES
void tacit_bounded_residuals_f32(float *restrict scores, const float *restrict confidence, size_t count, float norm, float unobserved,
                                 float bound, float weight) {
  for (size_t k = 0; k < count; k++) {
    const float residual = (confidence[k] - (confidence[k] - unobserved) * (scores[k] * norm)) / bound;
    scores[k] = weight * (residual > 1 ? 1 : residual < -1 ? -1 : residual);
  }
}

TACIT_CLONES
void tacit_gathered_sum_f32(const float *table, size_t stride, const int32_t *index, const float *weights, size_t count, float *out) {
  // Four lanes at a time stay in registers over all rows.
  enum { WIDTH = 4 };
  for (size_t left = 0; left < stride; left += WIDTH * LANES) {
    const size_t width = stride - left < WIDTH * LANES ? (stride - left) / LANES : WIDTH;
    lanes acc[WIDTH] = {0};
    for (size_t k = 0; k < count; k++) {
      const float *row = table + (size_t)index[k] * stride + left;
      for (size_t c = 0; c < WIDTH; c++)
        if (c < width) acc[c] += load(row + c * LANES) * weights[k];
    }
    for (size_t c = 0; c < width; c++) store(out + left + c * LANES) += acc[c];
  }
}

TACIT_CLONES
void tacit_scattered_add_f32(float *table, size_t stride, const int32_t *index, const float *weights, size_t count, const float *vector) {
  for (size_t k = 0; k < count; k++) {
    float *row = table + (size_t)index[k] * stride;
    if (k + AHEAD < count)
      for (size_t i = 0; i < stride; i += LANES) __builtin_prefetch(table + (size_t)index[k + AHEAD] * stride + i, 1);
    for (size_t i = 0; i < stride; i += LANES) store(row + i) = load(row + i) + load(vector + i) * weights[k];
  }
}

TACIT_CLONES
void tacit_weighted_gram_f32(const float *table, size_t stride, const int32_t *index, const float *weights,
                             size_t count, const float *start, float *gram) {
  if (start && count == 0) memcpy(gram, start, stride * stride * sizeof *gram);
  for (size_t first = 0; first < count; first += CHUNK) {
    const float *from = start && first == 0 ? start : gram;
    const size_t here = count - first < CHUNK ? count - first : CHUNK;
    for (size_t top = 0; top < stride; top += TILE_ROWS) {
      size_t left = top / LANES * LANES;
      if (top - left == HALF) {
        // Of the lower half of a diagonal block, the left half is below the diagonal; what another system left there would be worked on
        // again and again.
        const half nothing = {0};
        if (from != gram)
          for (int r = 0; r < TILE_ROWS; r++) *(half *)(gram + (top + r) * stride + left) = nothing;
        left += HALF;
        half acc[TILE_ROWS];
        for (int r = 0; r < TILE_ROWS; r++) acc[r] = loadhalf(from + (top + r) * stride + left);
        for (size_t k = 0; k < here; k++) {
          const float *row = table + (size_t)index[first + k] * stride;
          const float weight = weights ? weights[first + k] : 1.0f;
          const half x = loadhalf(row + left) * weight;
          for (int r = 0; r < TILE_ROWS; r++) acc[r] += x * row[top + r];
        }
        for (int r = 0; r < TILE_ROWS; r++) *(half *)(gram + (top + r) * stride + left) = acc[r];
        left += HALF;
      }
      for (; left < stride; left += LANES) {
        lanes acc[TILE_ROWS];
        for (int r = 0; r < TILE_ROWS; r++) acc[r] = load(from + (top + r) * stride + left);
        for (size_t k = 0; k < here; k++) {
          const float *row = table + (size_t)index[first + k] * stride;
          const float weight = weights ? weights[first + k] : 1.0f;
          const lanes x = load(row + left) * weight;
          for (int r = 0; r < TILE_ROWS; r++) acc[r] += x * row[top + r];
        }
        for (int r = 0; r < TILE_ROWS; r++) store(gram + (top + r) * stride + left) = acc[r];
      }
    }
  }
}

// Blocks of PANEL rows: finished among themselves, then taken from all rows below in one pass over those, which loads and
// stores an entry once for PANEL products. Whole lanes are worked on, so that entries left of the diagonal are spoiled, and
// entries between the order and the next multiple of 16 change where rows are long enough to have them.
TACIT_CLONES
int tacit_cholesky_f32(float *a, size_t order, size_t stride) {
  enum { PANEL = 8 };
  const int whole = stride >= (order + LANES - 1) / LANES * LANES;
  for (size_t first = 0; first < order; first += PANEL) {
    const size_t end = first + PANEL < order ? first + PANEL : order;
    for (size_t k = first; k < end; k++) {
      float *pivot = a + k * stride;
      const float d = pivot[k];
      if (!(d > 0) || !(d < INFINITY)) return 0;
      const float inverse = 1.0f / sqrtf(d);
      if (whole) {
        const size_t left = k / LANES * LANES;
        for (size_t j = left; j < order; j += LANES) store(pivot + j) = load(pivot + j) * inverse;
        for (size_t i = k + 1; i < end; i++) {
          float *row = a + i * stride;
          const float factor = pivot[i];
          for (size_t j = left; j < order; j += LANES) store(row + j) = load(row + j) - load(pivot + j) * factor;
        }
        continue;
      }
      for (size_t j = k; j < order; j++) pivot[j] *= inverse;
      for (size_t i = k + 1; i < end; i++) {
        float *row = a + i * stride;
        const float factor = pivot[i];
        for (size_t j = i; j < order; j++) row[j] -= factor * pivot[j];
      }
    }
    const float *panel = a + first * stride;
    size_t i = end;
    if (whole && end - first == PANEL) {
      // Four rows at a time, so that a lane of the panel is loaded once for four products.
      for (; i + 4 <= order; i += 4) {
        for (size_t j = i / LANES * LANES; j < order; j += LANES) {
          lanes sum[4];
          for (int r = 0; r < 4; r++) sum[r] = load(a + (i + r) * stride + j);
          for (size_t k = 0; k < PANEL; k++) {
            const lanes x = load(panel + k * stride + j);
            for (int r = 0; r < 4; r++) sum[r] -= x * panel[k * stride + i + r];
          }
          for (int r = 0; r < 4; r++) store(a + (i + r) * stride + j) = sum[r];
        }
      }
    }
    for (; i < order; i++)
      for (size_t k = first; k < end; k++)
        for (size_t j = i; j < order; j++) a[i * stride + j] -= panel[(k - first) * stride + i] * panel[(k - first) * stride + j];
  }
  return 1;
}

// Blocks of one lane's width: within a block one entry after the other, in a register; what lies beside it in whole lanes.
TACIT_CLONES
void tacit_cholesky_solve_f32(const float *factor, size_t order, size_t stride, float *b) {
  const size_t blocks = stride >= (order + LANES - 1) / LANES * LANES ? order / LANES : 0;
  const integers count = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  for (size_t block = 0; block < blocks; block++) {
    const float *rows = factor + block * LANES * (stride + 1);
    lanes x = load(b + block * LANES);
#pragma clang loop unroll(full)
    for (int k = 0; k < LANES; k++) {
      const float *row = rows + k * stride;
      const float y = x[k] * (1.0f / row[k]);
      const lanes next = x - load(row) * y;
      // What is left of the diagonal is not there.
      x = (lanes)(((integers)next & (count > k)) | ((integers)x & (count < k)));
      x[k] = y;
    }
    store(b + block * LANES) = x;
    for (size_t j = (block + 1) * LANES; j < order; j++) {
      if (j + LANES <= order) {
        lanes sum = load(b + j);
        for (int k = 0; k < LANES; k++) sum -= load(rows + k * stride + (j - block * LANES)) * x[k];
        store(b + j) = sum;
        j += LANES - 1;
      } else {
        for (int k = 0; k < LANES; k++) b[j] -= rows[k * stride + (j - block * LANES)] * x[k];
      }
    }
  }
  for (size_t k = blocks * LANES; k < order; k++) {
    const float *row = factor + k * stride;
    const float y = b[k] / row[k];
    b[k] = y;
    for (size_t j = k + 1; j < order; j++) b[j] -= y * row[j];
  }
  for (size_t k = order; k-- > blocks * LANES;) {
    const float *row = factor + k * stride;
    b[k] = (b[k] - tacit_dot_f32(row + k + 1, b + k + 1, order - k - 1)) / row[k];
  }
  for (size_t block = blocks; block-- > 0;) {
    const float *rows = factor + block * LANES * (stride + 1);
    const size_t width = order - block * LANES;
    float rest[LANES];
    for (int k = 0; k < LANES; k++) {
      const float *row = rows + k * stride;
      lanes acc = {0};
      size_t j = LANES;
      for (; j + LANES <= width; j += LANES) acc += load(row + j) * load(b + block * LANES + j);
      fold(acc, rest[k]);
      for (; j < width; j++) rest[k] += row[j] * b[block * LANES + j];
    }
    const lanes right = load(b + block * LANES) - load(rest);
    lanes x = {0};
#pragma clang loop unroll(full)
    for (int k = LANES - 1; k >= 0; k--) {
      const float *row = rows + k * stride;
      // Entries of x up to k are still zero.
      const lanes products = (lanes)((integers)(load(row) * x) & (count > k));
      float sum;
      fold(products, sum);
      x[k] = (right[k] - sum) * (1.0f / row[k]);
    }
    store(b + block * LANES) = x;
  }
}

TACIT_CLONES
void tacit_table_times_vector_f32(const float *table, size_t rows, size_t stride, const float *x, float scale,
                                  float *out) {
  for (size_t r = 0; r < rows; r++) {
    const float *row = table + r * stride;
    lanes acc = {0};
    size_t i = 0;
    for (; i + LANES <= stride; i += LANES) acc += load(row + i) * load(x + i);
    float sum;
    fold(acc, sum);
    for (; i < stride; i++) sum += row[i] * x[i];
    out[r] = (scale == 0 ? 0 : scale * out[r]) + sum;
  }
}
