// Kernels of the covariance release and of the evaluator.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Writes the upper triangle of r rᵀ row by row: r[i]², then √2 r[i] r[j] for j > i; size (size + 1) / 2 entries.
/// The squares of the entries add up to ‖r‖⁴.
void tacit_pack_outer_f32(const float *restrict r, size_t size, float *restrict packed);
/// y[i] += factor x[i].
void tacit_axpy_f32(float *restrict y, float factor, const float *restrict x, size_t count);
/// Replaces NaN by −∞.
void tacit_bury_nan_f32(float *scores, size_t count);
/// Counts the scores above the threshold and equal to it. No score may be NaN.
void tacit_count_above_f32(const float *scores, size_t count, float threshold, size_t *above, size_t *equal);
