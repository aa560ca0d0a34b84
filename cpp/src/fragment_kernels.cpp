// Compiled once for each instruction set: MELSPEC_ISA names it, the compiler's flags choose it.

#include "fragment_kernels.h"

#include "lanes.h"

namespace melspec::MELSPEC_ISA {
namespace {

constexpr std::size_t kCepstraVectors = (kCepstra + W - 1) / W;
constexpr std::size_t kCepstraWidth = kCepstraVectors * W;

INLINE V load(const float* x) {
  V v;
  __builtin_memcpy(&v, x, sizeof v);
  return v;
}
INLINE void store(float* out, V v) { __builtin_memcpy(out, &v, sizeof v); }

// Of positive normal numbers. With x = 2^e m, m in [sqrt(1/2), sqrt(2)), and s = (m - 1) / (m + 1):
// log2(x) = e + 2 / ln(2) (s + s^3 / 3 + s^5 / 5 + ...), where s^11 / 11 no longer counts.
INLINE V log2_of(V x) {
  constexpr std::int32_t sqrt_half = 0x3f3504f3;
  constexpr float scale = 2.885390082f;
  const VInt bits = reinterpret_cast<VInt>(x);
  const VInt exponent = (bits - sqrt_half) >> 23;
  const V m = reinterpret_cast<V>(bits - exponent * (1 << 23));
  const V s = (m - 1.0f) / (m + 1.0f);
  const V t = s * s;
  const V tail = t * (scale / 3 + t * (scale / 5 + t * (scale / 7 + t * (scale / 9))));
  return __builtin_convertvector(exponent, V) + (s * scale + s * tail);
}

float largest(const float* energies, std::size_t n) {
  V found[4] = {};
  std::size_t i = 0;
  for (; i + 4 * W <= n; i += 4 * W) {
#pragma GCC unroll 4
    for (std::size_t j = 0; j < 4; ++j) {
      const V x = load(energies + i + j * W);
      found[j] = found[j] > x ? found[j] : x;
    }
  }
  float result = 0;
  for (; i < n; ++i) result = result > energies[i] ? result : energies[i];
  for (const V& v : found)
    for (std::size_t j = 0; j < W; ++j) result = result > v[j] ? result : v[j];
  return result;
}

void decibels(float* energies, std::size_t n, float reference, float range_db) {
  const float scale = 2 * 6.020599913f / range_db;  // 20 log10(2) dB an octave, over [-1, 1]
  const auto in_place = [=](V x) {
    x = x / reference;
    x = 1.0f + scale * log2_of(x > 1e-30f ? x : V{} + 1e-30f);
    x = x > -1.0f ? x : V{} - 1.0f;
    return x < 1.0f ? x : V{} + 1.0f;
  };
  std::size_t i = 0;
  for (; i + W <= n; i += W) store(energies + i, in_place(load(energies + i)));
  if (i == n) return;
  V rest{};
  __builtin_memcpy(&rest, energies + i, (n - i) * sizeof(float));
  rest = in_place(rest);
  __builtin_memcpy(energies + i, &rest, (n - i) * sizeof(float));
}

template <std::size_t N>
INLINE void project_rows(const float* rows, std::size_t n_mels, const float* basis, float* out) {
  V totals[N][kCepstraVectors] = {};
  for (std::size_t first = 0; first < n_mels; first += kBands) {  // sums of sums round less
    V sums[N][kCepstraVectors] = {};
    for (std::size_t m = first; m < first + kBands; ++m) {
#pragma GCC unroll 16
      for (std::size_t v = 0; v < kCepstraVectors; ++v) {
        const V weight = load(basis + m * kCepstraWidth + v * W);
#pragma GCC unroll 16
        for (std::size_t i = 0; i < N; ++i) sums[i][v] += rows[i * n_mels + m] * weight;
      }
    }
    for (std::size_t i = 0; i < N; ++i)
      for (std::size_t v = 0; v < kCepstraVectors; ++v) totals[i][v] += sums[i][v];
  }
  for (std::size_t i = 0; i < N; ++i)
    for (std::size_t v = 0; v < kCepstraVectors; ++v)
      store(out + i * kCepstraWidth + v * W, totals[i][v]);
}

void project(const float* rows, std::size_t n_frames, std::size_t n_mels, const float* basis,
             float* out) {
  constexpr std::size_t at_once = W > 4 ? 4 : 2;  // as many sums as there are registers
  std::size_t t = 0;
  for (; t + at_once <= n_frames; t += at_once)
    project_rows<at_once>(rows + t * n_mels, n_mels, basis, out + t * kCepstraWidth);
  for (; t < n_frames; ++t)
    project_rows<1>(rows + t * n_mels, n_mels, basis, out + t * kCepstraWidth);
}

template <typename F>
INLINE V mean_of(std::size_t n, F value) {
  V sums[4] = {};  // four at a time do not wait for one another, and round less
  std::size_t t = 0;
  for (; t + 4 <= n; t += 4)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < 4; ++j) sums[j] += value(t + j);
  for (; t < n; ++t) sums[0] += value(t);
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) / static_cast<float>(n);
}

INLINE V square(V x) { return x * x; }

void moments(const float* series, std::size_t n_frames, std::size_t width, float* out) {
  for (std::size_t column = 0; column < width; column += W) {
    const float* first = series + column;
    const auto x = [=](std::size_t t) { return load(first + t * width); };
    const auto change = [=](std::size_t t) { return x(t + 1) - x(t); };
    // Twice, so that the mean of what is constant is that constant.
    const V roughly = mean_of(n_frames, x);
    const V mean = roughly + mean_of(n_frames, [=](std::size_t t) { return x(t) - roughly; });
    const V mean_change = (x(n_frames - 1) - x(0)) / static_cast<float>(n_frames - 1);
    float* to = out + column;
    store(to + kMean * width, mean);
    store(to + kDeviation * width,
          mean_of(n_frames, [=](std::size_t t) { return square(x(t) - mean); }));
    store(to + kChange * width, mean_of(n_frames - 1, [=](std::size_t t) {
            const V d = change(t);
            return d < 0.0f ? -d : d;
          }));
    store(to + kChangeDeviation * width,
          mean_of(n_frames - 1, [=](std::size_t t) { return square(change(t) - mean_change); }));
  }
  for (std::size_t i = 0; i < width; ++i) {
    out[kDeviation * width + i] = __builtin_sqrtf(out[kDeviation * width + i]);
    out[kChangeDeviation * width + i] = __builtin_sqrtf(out[kChangeDeviation * width + i]);
  }
}

// Batcher's merge exchange (Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M): which
// values are compared does not depend on them, so that columns are sorted side by side.
void sort(float* series, std::size_t n_frames, std::size_t width) {
  std::size_t half = 1;
  while (2 * half < n_frames) half *= 2;
  for (std::size_t column = 0; column < width; column += W) {
    float* x = series + column;
    for (std::size_t p = half; p > 0; p /= 2) {
      std::size_t q = half, first = 0, distance = p;
      for (;;) {
        for (std::size_t run = first; run + distance < n_frames; run += 2 * p) {
          for (std::size_t t = run; t < run + p && t + distance < n_frames; ++t) {
            float *low = x + t * width, *high = x + (t + distance) * width;
            const V a = load(low), b = load(high);
            store(low, a < b ? a : b);
            store(high, a < b ? b : a);
          }
        }
        if (q == p) break;
        distance = q - p;
        q /= 2;
        first = p;
      }
    }
  }
}

void covariance(float* series, std::size_t n_frames, const float* means, float* out) {
  for (std::size_t t = 0; t < n_frames; ++t)
    for (std::size_t i = 0; i < kCepstraWidth; ++i) series[t * kCepstraWidth + i] -= means[i];
  constexpr std::size_t at_once = W > 4 ? 4 : 2;
  static_assert(kCepstra % at_once == 0);
  for (std::size_t i = 0; i < kCepstra; i += at_once) {
    V sums[at_once][kCepstraVectors] = {};
    for (std::size_t t = 0; t < n_frames; ++t) {
      const float* row = series + t * kCepstraWidth;
#pragma GCC unroll 16
      for (std::size_t v = 0; v < kCepstraVectors; ++v)
#pragma GCC unroll 4
        for (std::size_t j = 0; j < at_once; ++j) sums[j][v] += row[i + j] * load(row + v * W);
    }
    for (std::size_t j = 0; j < at_once; ++j)
      for (std::size_t v = 0; v < kCepstraVectors; ++v)
        store(out + (i + j) * kCepstraWidth + v * W, sums[j][v] / static_cast<float>(n_frames));
  }
}

}  // namespace

const FragmentKernels fragment_kernels = {
    .cepstra_width = kCepstraWidth,
    .largest = largest,
    .decibels = decibels,
    .project = project,
    .moments = moments,
    .sort = sort,
    .covariance = covariance,
};

}  // namespace melspec::MELSPEC_ISA
