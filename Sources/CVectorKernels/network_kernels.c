// Passes over rows and entries of neural models.
#include "include/network_kernels.h"

#include <math.h>

#include "lanes.h"

typedef uint32_t half_integers __attribute__((vector_size(32), aligned(4)));

#define select(mask, yes, no) ((lanes)(((integers)(yes) & (mask)) | ((integers)(no) & ~(mask))))

// Two vectors' entries in turns: of each half (quarter, ...) the lower parts, then the upper ones.
#define LOW(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define HIGH(a, b) __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)

TACIT_CLONES
void tacit_transpose_f32(const float *restrict matrix, size_t rows, size_t columns, float *restrict out) {
  const size_t whole_rows = rows / LANES * LANES, whole_columns = columns / LANES * LANES;
  for (size_t top = 0; top < whole_rows; top += LANES)
    for (size_t left = 0; left < whole_columns; left += LANES) {
      lanes x[LANES], y[LANES];
#pragma clang loop unroll(full)
      for (int r = 0; r < LANES; r++) x[r] = load(matrix + (top + r) * columns + left);
      // Four perfect shuffles of rows r and r + 8 turn the block around.
#pragma clang loop unroll(full)
      for (int step = 0; step < 2; step++) {
#pragma clang loop unroll(full)
        for (int r = 0; r < HALF; r++) {
          y[2 * r] = LOW(x[r], x[r + HALF]);
          y[2 * r + 1] = HIGH(x[r], x[r + HALF]);
        }
#pragma clang loop unroll(full)
        for (int r = 0; r < HALF; r++) {
          x[2 * r] = LOW(y[r], y[r + HALF]);
          x[2 * r + 1] = HIGH(y[r], y[r + HALF]);
        }
      }
#pragma clang loop unroll(full)
      for (int r = 0; r < LANES; r++) store(out + (left + r) * rows + top) = x[r];
    }
  for (size_t r = 0; r < rows; r++)
    for (size_t c = r < whole_rows ? whole_columns : 0; c < columns; c++) out[c * rows + r] = matrix[r * columns + c];
}

TACIT_CLONES
void tacit_gather_rows_f32(const float *restrict table, size_t width, const int32_t *restrict index, size_t count, float *restrict out) {
  for (size_t k = 0; k < count; k++) {
    const float *row = table + (size_t)index[k] * width;
    if (k + AHEAD < count)
      for (size_t i = 0; i < width; i += LANES) __builtin_prefetch(table + (size_t)index[k + AHEAD] * width + i);
    size_t i = 0;
    for (; i + LANES <= width; i += LANES) store(out + k * width + i) = load(row + i);
    for (; i < width; i++) out[k * width + i] = row[i];
  }
}

// Cephes expf: x = n ln 2 + r, a polynomial of degree 7 in r, and n added to the exponent. Rounding to n is an addition of 1.5 * 2^23,
// whose low bits then are n: no conversion that could trap.
#define exponential(argument, result)                                                                      \
  do {                                                                                                     \
    const lanes low = select((argument) < -87.0f, (lanes){0} - 87.0f, argument);                           \
    const lanes cut = select(low > 88.0f, (lanes){0} + 88.0f, low);                                        \
    const lanes shifted = cut * 1.44269504f + 12582912.0f, n = shifted - 12582912.0f;                      \
    const lanes r = (cut - n * 0.693359375f) + n * 2.1219444e-4f;                                          \
    lanes p = r * 1.98756915e-4f + 1.39819995e-3f;                                                         \
    p = p * r + 8.3334519e-3f;                                                                             \
    p = p * r + 4.1665796e-2f;                                                                             \
    p = p * r + 1.66666655e-1f;                                                                            \
    p = p * r + 0.50000001f;                                                                               \
    result = (p * (r * r) + r + 1.0f) * (lanes)(((integers)shifted - 0x4B400000 + 127) << 23);             \
  } while (0)

TACIT_CLONES
float tacit_exponentials_f32(const float *x, float shift, float *out, size_t count) {
  lanes total = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    lanes value;
    const lanes argument = load(x + i) - shift;
    exponential(argument, value);
    store(out + i) = value;
    total += value;
  }
  float sum;
  fold(total, sum);
  if (i < count) {
    lanes argument = {0}, value;
    for (size_t l = i; l < count; l++) argument[l - i] = x[l] - shift;
    exponential(argument, value);
    for (size_t l = i; l < count; l++) sum += out[l] = value[l - i];
  }
  return sum;
}

TACIT_CLONES
float tacit_maximum_f32(const float *x, size_t count) {
  lanes most = (lanes){0} - INFINITY;
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    const lanes value = load(x + i);
    most = select(value > most, value, most);
  }
  float best = -INFINITY;
  for (int l = 0; l < LANES; l++) best = most[l] > best ? most[l] : best;
  for (; i < count; i++) best = x[i] > best ? x[i] : best;
  return best;
}

TACIT_CLONES
void tacit_layer_norm_f32(const float *restrict x, size_t rows, size_t columns, float epsilon, const float *restrict scale,
                          const float *restrict shift, float *restrict normalised, float *restrict inverse, float *restrict out) {
  for (size_t r = 0; r < rows; r++, x += columns, normalised += columns, out += columns) {
    lanes sums = {0}, squares = {0};
    float mean, variance;
    size_t i = 0;
    for (; i + LANES <= columns; i += LANES) sums += load(x + i);
    fold(sums, mean);
    for (; i < columns; i++) mean += x[i];
    mean /= (float)columns;
    for (i = 0; i + LANES <= columns; i += LANES) {
      const lanes centred = load(x + i) - mean;
      squares += centred * centred;
    }
    fold(squares, variance);
    for (; i < columns; i++) variance += (x[i] - mean) * (x[i] - mean);
    const float factor = 1.0f / sqrtf(variance / (float)columns + epsilon);
    inverse[r] = factor;
    for (i = 0; i + LANES <= columns; i += LANES) {
      const lanes value = (load(x + i) - mean) * factor;
      store(normalised + i) = value;
      store(out + i) = value * load(scale + i) + load(shift + i);
    }
    for (; i < columns; i++) {
      normalised[i] = (x[i] - mean) * factor;
      out[i] = normalised[i] * scale[i] + shift[i];
    }
  }
}

TACIT_CLONES
void tacit_layer_norm_gradient_f32(const float *restrict dy, size_t rows, size_t columns, const float *restrict scale,
                                   const float *restrict normalised, const float *restrict inverse, float *restrict scale_gradient,
                                   float *restrict shift_gradient, float *restrict dx) {
  for (size_t r = 0; r < rows; r++, dy += columns, normalised += columns, dx += columns) {
    lanes sums = {0}, products = {0};
    float mean, along;
    size_t i = 0;
    for (; i + LANES <= columns; i += LANES) {
      const lanes pull = load(dy + i), unit = load(normalised + i), scaled = pull * load(scale + i);
      store(shift_gradient + i) = load(shift_gradient + i) + pull;
      store(scale_gradient + i) = load(scale_gradient + i) + pull * unit;
      sums += scaled;
      products += scaled * unit;
    }
    fold(sums, mean);
    fold(products, along);
    for (; i < columns; i++) {
      const float scaled = dy[i] * scale[i];
      shift_gradient[i] += dy[i];
      scale_gradient[i] += dy[i] * normalised[i];
      mean += scaled;
      along += scaled * normalised[i];
    }
    mean /= (float)columns;
    along /= (float)columns;
    for (i = 0; i + LANES <= columns; i += LANES)
      store(dx + i) = (load(dy + i) * load(scale + i) - mean - load(normalised + i) * along) * inverse[r];
    for (; i < columns; i++) dx[i] = (dy[i] * scale[i] - mean - normalised[i] * along) * inverse[r];
  }
}

TACIT_CLONES
void tacit_dropout_f32(float *x, size_t count, float rate, float scale, const uint32_t state[8]) {
  half_integers s = *(const half_integers *)state;
  // 23 random bits below an exponent of 0: a number from 1 to below 2.
  const float limit = 1.0f + rate;
  for (size_t i = 0; i < count; i += HALF) {
    s ^= s << 13;
    s ^= s >> 17;
    s ^= s << 5;
    const half draw = (half)((s >> 9) | 0x3F800000);
    const half_integers keep = (half_integers)(draw >= limit);
    if (i + HALF <= count) {
      half *target = (half *)(x + i);
      *target = (half)((half_integers)(*target * scale) & keep);
    } else {
      for (size_t l = i; l < count; l++) x[l] = keep[l - i] ? x[l] * scale : 0;
    }
  }
}

TACIT_CLONES
void tacit_scale_f32(const float *x, float factor, float *out, size_t count) {
  for (size_t i = 0; i < count; i++) out[i] = factor * x[i];
}

TACIT_CLONES
void tacit_add_scaled_f64(double *restrict sum, float factor, const float *restrict x, size_t count) {
  for (size_t i = 0; i < count; i++) sum[i] += (double)(factor * x[i]);
}
