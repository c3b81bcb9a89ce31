// Small vector kernels in portable C, dispatched at run time by target_clones (no unsafe flags, no assembly).
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "covariance_kernels.h"
#include "BitPacking.h"

#include "factor_kernels.h"
#include "network_kernels.h"

/// acc[i] += addend[i] mod 2^32.
void tacit_add_u32(uint32_t *restrict acc, const uint32_t *restrict addend, size_t count);
/// acc[i] -= subtrahend[i] mod 2^32.
void tacit_sub_u32(uint32_t *restrict acc, const uint32_t *restrict subtrahend, size_t count);
/// acc[i] += addend[i] mod 2^64.
void tacit_add_u64(uint64_t *restrict acc, const uint64_t *restrict addend, size_t count);
/// acc[i] -= subtrahend[i] mod 2^64.
void tacit_sub_u64(uint64_t *restrict acc, const uint64_t *restrict subtrahend, size_t count);
/// lanes[i] = the integer nearest to values[i] * scale, ties to even, mod 2^32. Returns 0 when a product is no number or, rounded,
/// larger than limit in magnitude; limit is below 2^63.
int tacit_nearest_u32(uint32_t *restrict lanes, const double *restrict values, size_t count, double scale, double limit);
/// The same mod 2^64.
int tacit_nearest_u64(uint64_t *restrict lanes, const double *restrict values, size_t count, double scale, double limit);
#include "rounding.h"
#include "fourier.h"
