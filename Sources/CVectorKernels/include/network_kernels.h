// Kernels of the neural models: what happens between the products of matrices.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// out (columns x rows) = the transpose of `matrix` (rows x columns), both row-major and without gaps.
void tacit_transpose_f32(const float *restrict matrix, size_t rows, size_t columns, float *restrict out);

/// Row k of `out` = row index[k] of a table with rows of `width` floats, for k < count.
void tacit_gather_rows_f32(const float *restrict table, size_t width, const int32_t *restrict index, size_t count, float *restrict out);

/// out[i] = e^(x[i] - shift), to about two units in the last place; returns their sum. `out` may be `x`.
/// The exponent is cut to -87...88; NaN stays NaN.
float tacit_exponentials_f32(const float *x, float shift, float *out, size_t count);

/// The largest entry, -infinity of nothing. NaN never is the largest.
float tacit_maximum_f32(const float *x, size_t count);

/// Rows brought to mean 0 and variance 1 in `normalised` (epsilon is added to the variance), 1 / deviation in `inverse`,
/// out = normalised * scale + shift.
void tacit_layer_norm_f32(const float *restrict x, size_t rows, size_t columns, float epsilon, const float *restrict scale,
                          const float *restrict shift, float *restrict normalised, float *restrict inverse, float *restrict out);

/// The way back: adds to the gradients of scale and shift, and writes the derivative with respect to x to `dx`.
void tacit_layer_norm_gradient_f32(const float *restrict dy, size_t rows, size_t columns, const float *restrict scale,
                                   const float *restrict normalised, const float *restrict inverse, float *restrict scale_gradient,
                                   float *restrict shift_gradient, float *restrict dx);

/// x[i] *= scale, or 0 where draw i, uniform in [0, 1), is below `rate`. Eight xorshift generators (Marsaglia 2003) draw, i mod 8
/// says which; no state may be 0.
void tacit_dropout_f32(float *x, size_t count, float rate, float scale, const uint32_t state[8]);

/// out[i] = factor * x[i]. `out` may be `x`.
void tacit_scale_f32(const float *x, float factor, float *out, size_t count);

/// sum[i] += factor * x[i], the product in float.
void tacit_add_scaled_f64(double *restrict sum, float factor, const float *restrict x, size_t count);
