// Kernels of the matrix factorization models: many small symmetric systems, one per user or item.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// gram = start + sum over k < count of weights[k] * r_k r_k^T, where r_k is row index[k] of a table; `start` may be NULL: gram itself.
///
/// The table is row-major with `stride` floats per row; `stride` is a multiple of 16 and entries beyond the true
/// dimension are zero. `gram` is stride x stride; its upper triangle (row i, column j >= i) is updated, entries
/// below it may be touched too. `weights` may be NULL (all 1). The order of summation is fixed: k ascending.
void tacit_weighted_gram_f32(const float *table, size_t stride, const int32_t *index, const float *weights,
                             size_t count, const float *start, float *gram);

/// out[k] = row index[k] of a table times `vector`, for k < count; table and vector as for tacit_weighted_gram_f32.
void tacit_gathered_dots_f32(const float *table, size_t stride, const int32_t *index, size_t count, const float *vector, float *out);

/// scores[k] = weight (c - (c - unobserved) norm scores[k]) / bound, with c = confidence[k] and the quotient cut to -1...1.
void tacit_bounded_residuals_f32(float *restrict scores, const float *restrict confidence, size_t count, float norm, float unobserved,
                                 float bound, float weight);

/// out += sum over k < count of weights[k] times row index[k] of a table; `out` has `stride` floats.
void tacit_gathered_sum_f32(const float *table, size_t stride, const int32_t *index, const float *weights, size_t count, float *out);

/// Row index[k] of a table += weights[k] * vector, for k < count in that order.
void tacit_scattered_add_f32(float *table, size_t stride, const int32_t *index, const float *weights, size_t count, const float *vector);

/// Replaces the upper triangle of a symmetric matrix (rows of `stride` floats, order <= stride) by its Cholesky
/// factor U, a = U^T U; entries below the diagonal are spoiled. Returns 1, or 0 when a pivot is not positive (a is spoiled then).
int tacit_cholesky_f32(float *a, size_t order, size_t stride);

/// Solves U^T U x = b in place, with the factor of tacit_cholesky_f32.
void tacit_cholesky_solve_f32(const float *factor, size_t order, size_t stride, float *b);

/// Sum of x[i] * y[i]; the order of summation depends on the machine's vector width.
float tacit_dot_f32(const float *x, const float *y, size_t count);

/// out[r] = scale * out[r] + table[r] . x for all rows of a row-major table with `stride` floats per row.
void tacit_table_times_vector_f32(const float *table, size_t rows, size_t stride, const float *x, float scale,
                                  float *out);
