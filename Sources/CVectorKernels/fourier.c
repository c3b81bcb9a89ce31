#include <math.h>

#include "CVectorKernels.h"
#include "clones.h"

void tacit_fft_twiddles(double *restrict cosines, double *restrict sines, size_t count) {
  size_t offset = 0;
  for (size_t half = count / 2; half >= 1; half /= 2) {
    for (size_t k = 0; k < half; k++) {
      double angle = -3.14159265358979323846 * (double)k / (double)half;
      cosines[offset + k] = cos(angle);
      sines[offset + k] = sin(angle);
    }
    offset += half;
  }
}

TACIT_CLONES void tacit_fft_forward(
    double *restrict re, double *restrict im, size_t count, const double *cosines, const double *sines) {
  size_t offset = 0;
  for (size_t half = count / 2; half >= 1; half /= 2) {
    const double *restrict c = cosines + offset, *restrict s = sines + offset;
    for (size_t start = 0; start < count; start += 2 * half) {
      double *restrict ar = re + start, *restrict ai = im + start;
      double *restrict br = ar + half, *restrict bi = ai + half;
      for (size_t k = 0; k < half; k++) {
        double dr = ar[k] - br[k], di = ai[k] - bi[k];
        ar[k] += br[k];
        ai[k] += bi[k];
        br[k] = dr * c[k] - di * s[k];
        bi[k] = dr * s[k] + di * c[k];
      }
    }
    offset += half;
  }
}

TACIT_CLONES void tacit_fft_inverse(
    double *restrict re, double *restrict im, size_t count, const double *cosines, const double *sines) {
  for (size_t half = 1; half < count; half *= 2) {
    const double *restrict c = cosines + (count - 2 * half), *restrict s = sines + (count - 2 * half);
    for (size_t start = 0; start < count; start += 2 * half) {
      double *restrict ar = re + start, *restrict ai = im + start;
      double *restrict br = ar + half, *restrict bi = ai + half;
      for (size_t k = 0; k < half; k++) {
        double tr = br[k] * c[k] + bi[k] * s[k], ti = bi[k] * c[k] - br[k] * s[k];
        br[k] = ar[k] - tr;
        bi[k] = ai[k] - ti;
        ar[k] += tr;
        ai[k] += ti;
      }
    }
  }
}

TACIT_CLONES void tacit_multiply_power(
    double *restrict re, double *restrict im, const double *restrict fre, const double *restrict fim, size_t count,
    uint64_t power) {
  enum { BLOCK = 64 };
  for (size_t start = 0; start < count; start += BLOCK) {
    size_t size = count - start < BLOCK ? count - start : BLOCK;
    double baseRe[BLOCK], baseIm[BLOCK];
    for (size_t k = 0; k < size; k++) {
      baseRe[k] = fre[start + k];
      baseIm[k] = fim[start + k];
    }
    for (uint64_t rest = power; rest > 0; rest >>= 1) {
      if (rest & 1)
        for (size_t k = 0; k < size; k++) {
          double r = re[start + k], i = im[start + k];
          re[start + k] = r * baseRe[k] - i * baseIm[k];
          im[start + k] = r * baseIm[k] + i * baseRe[k];
        }
      for (size_t k = 0; k < size; k++) {
        double r = baseRe[k], i = baseIm[k];
        baseRe[k] = r * r - i * i;
        baseIm[k] = 2 * r * i;
      }
    }
  }
}
