// Kernels of the covariance release and of the evaluator.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Writes the upper triangle of a hᵀ + b vᵀ row by row, the entries off the diagonal times √2:
/// a[i] h[i] + b[i] v[i], then √2 (a[i] h[j] + b[i] v[j]) for j > i; size (size + 1) / 2 entries.
void tacit_pack_rank_two_f32(
    const float *restrict a, const float *restrict h, const float *restrict b, const float *restrict v, size_t size,
    float *restrict packed);
/// y[i] += factor x[i].
void tacit_axpy_f32(float *restrict y, float factor, const float *restrict x, size_t count);
/// Replaces NaN by −∞.
void tacit_bury_nan_f32(float *scores, size_t count);
/// Counts the scores above the threshold and equal to it. No score may be NaN.
void tacit_count_above_f32(const float *scores, size_t count, float threshold, size_t *above, size_t *equal);
