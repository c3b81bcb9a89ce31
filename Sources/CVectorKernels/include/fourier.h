// Discrete Fourier transforms of power-of-two length, split into real and imaginary parts (privacy loss distributions).
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Fills tables of count - 1 entries for transforms of length `count`: for each stage of half-length h (count/2, …, 1)
/// the h factors e^(-2 pi i k / (2h)).
void tacit_fft_twiddles(double *restrict cosines, double *restrict sines, size_t count);

/// Forward transform in place; the result is in bit-reversed order.
void tacit_fft_forward(double *restrict re, double *restrict im, size_t count, const double *cosines, const double *sines);

/// Unscaled inverse transform in place of a spectrum in bit-reversed order; the result is in natural order.
void tacit_fft_inverse(double *restrict re, double *restrict im, size_t count, const double *cosines, const double *sines);

/// (re + i im) *= (fre + i fim)^power, entry by entry.
void tacit_multiply_power(
    double *restrict re, double *restrict im, const double *restrict fre, const double *restrict fim, size_t count,
    uint64_t power);
