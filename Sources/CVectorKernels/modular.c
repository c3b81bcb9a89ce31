#include "CVectorKernels.h"
#include "clones.h"

TACIT_CLONES void tacit_add_u32(uint32_t *restrict acc, const uint32_t *restrict addend, size_t count) {
  for (size_t i = 0; i < count; i++) acc[i] += addend[i];
}

TACIT_CLONES void tacit_sub_u32(uint32_t *restrict acc, const uint32_t *restrict subtrahend, size_t count) {
  for (size_t i = 0; i < count; i++) acc[i] -= subtrahend[i];
}

TACIT_CLONES void tacit_add_u64(uint64_t *restrict acc, const uint64_t *restrict addend, size_t count) {
  for (size_t i = 0; i < count; i++) acc[i] += addend[i];
}

TACIT_CLONES void tacit_sub_u64(uint64_t *restrict acc, const uint64_t *restrict subtrahend, size_t count) {
  for (size_t i = 0; i < count; i++) acc[i] -= subtrahend[i];
}
