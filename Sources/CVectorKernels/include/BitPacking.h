// Vectors of b-bit entries packed without gaps, least significant bit first.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Writes the low `bits` (2...32) bits of `count` lanes to ceil(count * bits / 8) bytes; the last byte is zero filled.
void tacit_pack_u32(uint8_t *restrict bytes, const uint32_t *restrict lanes, size_t count, uint32_t bits);
/// The same for 33...62 bits in 64-bit lanes.
void tacit_pack_u64(uint8_t *restrict bytes, const uint64_t *restrict lanes, size_t count, uint32_t bits);
/// lanes[i] += entry i of `bytes` mod 2^32; reads exactly ceil(count * bits / 8) bytes.
void tacit_add_packed_u32(uint32_t *restrict lanes, const uint8_t *restrict bytes, size_t count, uint32_t bits);
/// lanes[i] += entry i of `bytes` mod 2^64.
void tacit_add_packed_u64(uint64_t *restrict lanes, const uint8_t *restrict bytes, size_t count, uint32_t bits);
