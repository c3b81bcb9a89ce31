// Stochastic rounding of one user's vector, and its exact sum (DifferentialPrivacy).
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Sum of squares in double precision, 16 partial sums; NaN or infinity where an entry is.
double tacit_sum_of_squares(const float *values, size_t count);

/// output[i] = floor(values[i] * factor + u_i), u_i in [0, 1) with 32 bits from a generator keyed by (key0, key1).
/// Returns the sum of the squares. Each |values[i] * factor| must be below 2^30 and the sum of squares below 2^62.
int64_t tacit_round_stochastically(
    int32_t *restrict output, const float *restrict values, size_t count, double factor, uint64_t key0,
    uint64_t key1);

/// output[i] = values[i] * factor rounded towards zero. Returns the sum of the squares. Same ranges.
int64_t tacit_truncate(int32_t *restrict output, const float *restrict values, size_t count, double factor);

/// sum[i] += addend[i].
void tacit_accumulate_i32(int64_t *restrict sum, const int32_t *restrict addend, size_t count);
