// Small symmetric systems for factorization models. Vector types of 64 bytes are lowered by the compiler to
// whatever the chosen clone has; they never cross a function boundary.
#include "include/factor_kernels.h"

#include <math.h>
#include <string.h>

#include "clones.h"

typedef float lanes __attribute__((vector_size(64), aligned(4)));

enum { LANES = 16, TILE_ROWS = 8, CHUNK = 32 };

// A macro: a function that returns such a vector would have a different calling convention in every clone.
#define load(pointer) (*(const lanes *)(pointer))

TACIT_CLONES
float tacit_dot_f32(const float *x, const float *y, size_t count) {
  lanes acc = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) acc += load(x + i) * load(y + i);
  float sum = 0;
  for (int lane = 0; lane < LANES; lane++) sum += acc[lane];
  for (; i < count; i++) sum += x[i] * y[i];
  return sum;
}

TACIT_CLONES
void tacit_weighted_gram_f32(const float *table, size_t stride, const int32_t *index, const float *weights,
                             size_t count, float *gram) {
  for (size_t first = 0; first < count; first += CHUNK) {
    const size_t here = count - first < CHUNK ? count - first : CHUNK;
    for (size_t top = 0; top < stride; top += TILE_ROWS) {
      for (size_t left = top / LANES * LANES; left < stride; left += LANES) {
        lanes acc[TILE_ROWS];
        for (int r = 0; r < TILE_ROWS; r++) acc[r] = load(gram + (top + r) * stride + left);
        for (size_t k = 0; k < here; k++) {
          const float *row = table + (size_t)index[first + k] * stride;
          const float weight = weights ? weights[first + k] : 1.0f;
          const lanes x = load(row + left) * weight;
          for (int r = 0; r < TILE_ROWS; r++) acc[r] += x * row[top + r];
        }
        for (int r = 0; r < TILE_ROWS; r++) *(lanes *)(gram + (top + r) * stride + left) = acc[r];
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
      for (size_t j = k; j < order; j++) pivot[j] *= inverse;
      for (size_t i = k + 1; i < end; i++) {
        float *row = a + i * stride;
        const float factor = pivot[i];
        for (size_t j = i; j < order; j++) row[j] -= factor * pivot[j];
      }
    }
    const float *panel = a + first * stride;
    for (size_t i = end; i < order; i++) {
      float *row = a + i * stride;
      size_t j = i;
      if (whole && end - first == PANEL) {
        for (j = i / LANES * LANES; j < order; j += LANES) {
          lanes sum = load(row + j);
          for (size_t k = 0; k < PANEL; k++) sum -= load(panel + k * stride + j) * panel[k * stride + i];
          *(lanes *)(row + j) = sum;
        }
      }
      for (; j < order; j++)
        for (size_t k = first; k < end; k++) row[j] -= a[k * stride + i] * a[k * stride + j];
    }
  }
  return 1;
}

TACIT_CLONES
void tacit_cholesky_solve_f32(const float *factor, size_t order, size_t stride, float *b) {
  for (size_t k = 0; k < order; k++) {
    const float *row = factor + k * stride;
    const float y = b[k] / row[k];
    b[k] = y;
    for (size_t j = k + 1; j < order; j++) b[j] -= y * row[j];
  }
  for (size_t k = order; k-- > 0;) {
    const float *row = factor + k * stride;
    b[k] = (b[k] - tacit_dot_f32(row + k + 1, b + k + 1, order - k - 1)) / row[k];
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
    float sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += acc[lane];
    for (; i < stride; i++) sum += row[i] * x[i];
    out[r] = (scale == 0 ? 0 : scale * out[r]) + sum;
  }
}
