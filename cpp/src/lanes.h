// A register's worth of frames, and what can be done with it.
//
// For kernels.cpp alone, which is compiled once for each instruction set: all of this is inlined
// and has internal linkage, so that the linker cannot take one set's code for another's. Vector
// types of GCC and Clang stand for registers, so that nothing is left to the vectoriser.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

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

struct Complex {
  V re, im;
};

INLINE Complex operator+(const Complex& a, const Complex& b) { return {a.re + b.re, a.im + b.im}; }
INLINE Complex operator-(const Complex& a, const Complex& b) { return {a.re - b.re, a.im - b.im}; }
INLINE Complex times(const Complex& a, const float* w) {
  return {a.re * w[0] - a.im * w[1], a.re * w[1] + a.im * w[0]};
}
INLINE Complex times_minus_i(const Complex& a) { return {a.im, -a.re}; }

// A loop that becomes one instruction where there is one.
INLINE V square_root(V x) {
  float values[W];
  __builtin_memcpy(values, &x, sizeof x);
  for (std::size_t i = 0; i < W; ++i) values[i] = __builtin_sqrtf(values[i]);
  __builtin_memcpy(&x, values, sizeof x);
  return x;
}

// Exchange bit H of the row's number with bit H of the lane's number.
template <int H, int... J>
INLINE void exchange(V& row, V& other, std::integer_sequence<int, J...>) {
  constexpr int w = static_cast<int>(W);
  const V a = row, b = other;
  row = __builtin_shufflevector(a, b, ((J & H) != 0 ? w + J - H : J)...);
  other = __builtin_shufflevector(a, b, ((J & H) != 0 ? w + J : J + H)...);
}

// Transpose every square of `size` rows by `size` lanes.
template <std::size_t Size, std::size_t H = 1>
INLINE void transpose(V* rows) {
  if constexpr (H < Size) {
#pragma GCC unroll 16
    for (std::size_t i = 0; i < Size; ++i)
      if ((i & H) == 0)
        exchange<static_cast<int>(H)>(rows[i], rows[i + H],
                                      std::make_integer_sequence<int, static_cast<int>(W)>{});
    transpose<Size, 2 * H>(rows);
  }
}

typedef float Quad __attribute__((vector_size(16)));

template <int... J, typename Half>
INLINE auto join(const Half& a, const Half& b, std::integer_sequence<int, J...>) {
  return __builtin_shufflevector(a, b, J...);
}
// 16 bytes of each of the frames x[0], x[4], x[8] ... side by side.
template <std::size_t Lanes, typename T>
INLINE auto load_quads(const T* const* x, std::size_t t) {
  if constexpr (Lanes == 4) {
    Quad quad;
    __builtin_memcpy(&quad, x[0] + t, sizeof quad);
    return quad;
  } else {
    return join(load_quads<Lanes / 2>(x, t), load_quads<Lanes / 2>(x + Lanes / 2, t),
                std::make_integer_sequence<int, static_cast<int>(Lanes)>{});
  }
}

// kTile<T> samples of W frames to 8 rows of 32-bit words, a word for each lane.
template <typename T>
constexpr std::size_t kTile = 32 / sizeof(T);

template <typename T>
INLINE void load_words(const T* const* x, std::size_t t, V* rows) {
#pragma GCC unroll 2
  for (std::size_t half = 0; half < 2; ++half) {
#pragma GCC unroll 4
    for (std::size_t i = 0; i < 4; ++i)
      rows[4 * half + i] = load_quads<W>(x + i, t + half * kTile<T> / 2);
    transpose<4>(rows + 4 * half);
  }
}

// The samples j and j + 1 (j even) of those rows, for the real and the imaginary part.
template <typename T>
INLINE Complex two_samples(const V* rows, std::size_t j) {
  if constexpr (std::is_same_v<T, float>) {
    return {rows[j], rows[j + 1]};
  } else {  // a word holds both, the earlier in its lower half
    const VInt words = reinterpret_cast<VInt>(rows[j / 2]);
    const V low = __builtin_convertvector(words << 16, V);
    const V high = __builtin_convertvector(words & -65536, V);
    return {low * 0x1p-31f, high * 0x1p-31f};
  }
}

}  // namespace
}  // namespace melspec::MELSPEC_ISA
