// A register's worth of frames, and what can be done with it.
//
// For kernels.cpp alone, which is compiled once for each instruction set: all of this is inlined
// and has internal linkage, so that the linker cannot take one set's code for another's. Vector
// types of GCC and Clang stand for registers, so that nothing is left to the vectoriser.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__AVX512F__)
#define MELSPEC_LANES 16
#elif defined(__AVX2__)
#define MELSPEC_LANES 8
#else
#define MELSPEC_LANES 4
#endif

namespace melspec::MELSPEC_ISA {
namespace {

#define INLINE inline __attribute__((always_inline))

constexpr std::size_t W = MELSPEC_LANES;

typedef float V __attribute__((vector_size(W * sizeof(float))));
typedef std::int32_t VInt __attribute__((vector_size(W * sizeof(float))));
typedef std::int16_t VShort __attribute__((vector_size(W * sizeof(std::int16_t))));

struct Complex {
  V re, im;
};

INLINE Complex operator+(const Complex& a, const Complex& b) { return {a.re + b.re, a.im + b.im}; }
INLINE Complex operator-(const Complex& a, const Complex& b) { return {a.re - b.re, a.im - b.im}; }
INLINE Complex times(const Complex& a, const float* w) {
  return {a.re * w[0] - a.im * w[1], a.re * w[1] + a.im * w[0]};
}
INLINE Complex times_minus_i(const Complex& a) { return {a.im, -a.re}; }

INLINE V load_vector(const float* x) {
  V v;
  __builtin_memcpy(&v, x, sizeof v);
  return v;
}
INLINE V load_vector(const std::int16_t* x) {
  VShort v;
  __builtin_memcpy(&v, x, sizeof v);
  return __builtin_convertvector(v, V) * (1.0f / 32768.0f);
}

// One step of transposing: exchange bit H of the row's number with bit H of the lane's number.
template <std::size_t H>
INLINE void exchange(V* rows) {
  VInt low, high;
  for (std::size_t j = 0; j < W; ++j) {
    low[j] = static_cast<std::int32_t>((j & H) != 0 ? W + j - H : j);
    high[j] = static_cast<std::int32_t>((j & H) != 0 ? W + j : j + H);
  }
#if defined(__clang__)
  V out[W];
  for (std::size_t i = 0; i < W; ++i)
    for (std::size_t j = 0; j < W; ++j)
      out[i][j] = (i & H) == 0 ? ((j & H) != 0 ? rows[i + H][j - H] : rows[i][j])
                               : ((j & H) != 0 ? rows[i][j] : rows[i - H][j + H]);
  for (std::size_t i = 0; i < W; ++i) rows[i] = out[i];
#else
#pragma GCC unroll 16
  for (std::size_t i = 0; i < W; ++i) {
    if ((i & H) != 0) continue;
    const V a = rows[i], b = rows[i + H];
    rows[i] = __builtin_shuffle(a, b, low);
    rows[i + H] = __builtin_shuffle(a, b, high);
  }
#endif
}

INLINE void transpose(V* rows) {
  exchange<1>(rows);
  exchange<2>(rows);
  if constexpr (W > 4) exchange<4>(rows);
  if constexpr (W > 8) exchange<8>(rows);
}

}  // namespace
}  // namespace melspec::MELSPEC_ISA
