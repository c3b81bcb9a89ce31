// Vectors of floats for kernels with clones. Types of 64 bytes are lowered by the compiler to whatever the chosen clone has; they
// never cross a function boundary, so what works on them is a macro: a function that took or returned them would have a different
// calling convention in every clone.
#pragma once
#include <stdint.h>

#include "clones.h"

typedef float lanes __attribute__((vector_size(64), aligned(4)));
typedef int32_t integers __attribute__((vector_size(64), aligned(4)));
typedef float half __attribute__((vector_size(32), aligned(4)));
typedef float quarter __attribute__((vector_size(16)));

// `AHEAD`: rows between the one that is worked on and the one that is asked for from memory.
enum { LANES = 16, HALF = 8, AHEAD = 8 };

#define load(pointer) (*(const lanes *)(pointer))
#define store(pointer) (*(lanes *)(pointer))
#define loadhalf(pointer) (*(const half *)(pointer))
// The sum of the lanes of `v` into `sum`, in pairs.
#define fold(v, sum)                                                                                      \
  do {                                                                                                    \
    const half h = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +                                \
                   __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);                           \
    const quarter q = __builtin_shufflevector(h, h, 0, 1, 2, 3) + __builtin_shufflevector(h, h, 4, 5, 6, 7); \
    sum = (q[0] + q[2]) + (q[1] + q[3]);                                                                  \
  } while (0)
