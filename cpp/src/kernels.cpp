// Compiled once for each instruction set: MELSPEC_ISA names it, the compiler's flags choose it.

#include "kernels.h"

#include "butterflies.h"
#include "lanes.h"

namespace melspec::MELSPEC_ISA {
namespace {

INLINE V clean(V x) {
  const V magnitude = x < 0.0f ? -x : x;
  return magnitude <= 1e12f ? x : V{};  // also false for NaN
}
INLINE float clean(float x) { return x <= 1e12f && x >= -1e12f ? x : 0.0f; }
INLINE float scaled(float x) { return x; }
INLINE float scaled(std::int16_t x) { return static_cast<float>(x) * (1.0f / 32768.0f); }

template <bool Audio, typename T>
INLINE void load_frames(const Frames<T>& frames, bool complex, const float* window, float* points) {
  const std::size_t n = frames.length, step = complex ? 2 : 1;
  V* out = reinterpret_cast<V*>(points);
  const T* x[W];
  for (std::size_t i = 0; i < W; ++i)
    x[i] = frames.x + (i < frames.count ? i : frames.count - 1) * frames.stride;

  std::size_t t = 0;
  for (; t + W <= n; t += W) {
    V rows[W];
#pragma GCC unroll 16
    for (std::size_t i = 0; i < W; ++i) {
      rows[i] = load_vector(x[i] + t);
      if constexpr (Audio) rows[i] = clean(rows[i]);
    }
    if (Audio && window != nullptr) {
      const V w = load_vector(window + t);
#pragma GCC unroll 16
      for (std::size_t i = 0; i < W; ++i) rows[i] *= w;
    }
    transpose(rows);
#pragma GCC unroll 16
    for (std::size_t i = 0; i < W; ++i) out[(t + i) * step] = rows[i];
  }
  for (; t < n; ++t) {
    const float w = Audio && window != nullptr ? window[t] : 1.0f;
    for (std::size_t i = 0; i < W; ++i) {
      const float v = scaled(x[i][t]);
      out[t * step][i] = Audio ? clean(v) * w : v;
    }
  }
  if (complex)
    for (t = 0; t < n; ++t) out[2 * t + 1] = V{};
}

void load(const Frames<float>& frames, bool complex, float* points) {
  load_frames<false>(frames, complex, nullptr, points);
}
void load_audio_f32(const Frames<float>& frames, bool complex, const float* window, float* points) {
  load_frames<true>(frames, complex, window, points);
}
void load_audio_i16(const Frames<std::int16_t>& frames, bool complex, const float* window,
                    float* points) {
  load_frames<true>(frames, complex, window, points);
}

template <typename Butterfly>
INLINE void each_butterfly(const Stage& stage, const Complex* x, Complex* y, Butterfly butterfly) {
  const std::size_t r = stage.radix, m = stage.m, s = stage.s;
  for (std::size_t p = 0; p < m; ++p) {
    const float* twiddles = m > 1 ? stage.twiddles + 2 * (r - 1) * p : nullptr;
    for (std::size_t q = 0; q < s; ++q)
      butterfly(Port{x + q + s * p, y + q + s * r * p, m * s, s, twiddles});
  }
}

void real_stage(const Stage& stage, const float* points, float* out) {
  const V* x = reinterpret_cast<const V*>(points);
  const std::size_t r = stage.radix, m = stage.m, half = r / 2;
  for (std::size_t p = 0; p < m; ++p) {
    V sums[kMaxRadix / 2], differences[kMaxRadix / 2];
    const V x0 = x[p];
    V total = x0;
    for (std::size_t j = 0; j < half; ++j) {
      const V a = x[(j + 1) * m + p], b = x[(r - j - 1) * m + p];
      sums[j] = a + b;
      differences[j] = a - b;
      total += sums[j];
    }
    const Port port{nullptr, reinterpret_cast<Complex*>(out) + (half + 1) * p, 0, 1,
                    m > 1 ? stage.twiddles + 2 * (r - 1) * p : nullptr};
    port.out(0, {total, V{}});
    std::size_t k = 1;
    for (; k + 4 <= half + 1; k += 4) real_outputs<4>(port, stage, x0, sums, differences, k);
    for (; k <= half; ++k) real_outputs<1>(port, stage, x0, sums, differences, k);
  }
}

float* fft(const Stage* stages, std::size_t n_stages, float* x, float* y) {
  for (std::size_t i = 0; i < n_stages; ++i) {
    const Stage& stage = stages[i];
    const Complex* in = reinterpret_cast<const Complex*>(x);
    Complex* out = reinterpret_cast<Complex*>(y);
    switch (stage.radix) {
      case 2: each_butterfly(stage, in, out, [](const Port& p) { butterfly2(p); }); break;
      case 3: each_butterfly(stage, in, out, [](const Port& p) { butterfly3(p); }); break;
      case 4: each_butterfly(stage, in, out, [](const Port& p) { butterfly4(p); }); break;
      case 5: each_butterfly(stage, in, out, [](const Port& p) { butterfly5(p); }); break;
      default: each_butterfly(stage, in, out, [&stage](const Port& p) { butterfly_odd(p, stage); });
    }
    float* done = y;
    y = x;
    x = done;
  }
  return x;
}

void multiply(const float* x, const float* w, std::size_t n, bool swap, float* out) {
  const Complex* in = reinterpret_cast<const Complex*>(x);
  Complex* result = reinterpret_cast<Complex*>(out);
  for (std::size_t t = 0; t < n; ++t) {
    const Complex v = times(in[t], w + 2 * t);
    result[t].re = swap ? v.im : v.re;
    result[t].im = swap ? v.re : v.im;
  }
}

INLINE Complex real_bin(const Split& split, const Complex* z, std::size_t k) {
  if (split.twiddles == nullptr) {
    const std::int32_t place = split.places[k];
    return place >= 0 ? Complex{z[place].re, z[place].im} : Complex{z[~place].re, -z[~place].im};
  }
  // E[k] + w^k O[k] with E, O the spectra of the even and the odd samples.
  const std::size_t n = split.n_points;
  const Complex &a = z[k < n ? k : 0], &b = z[k > 0 ? n - k : 0];
  const Complex even = {0.5f * (a.re + b.re), 0.5f * (a.im - b.im)};
  const Complex odd = {0.5f * (a.im + b.im), 0.5f * (b.re - a.re)};
  return even + times(odd, split.twiddles + 2 * k);
}

// Rows of W values to the first `count` lanes' own rows, `width` of the values only.
INLINE void store_transposed(V* rows, std::size_t width, std::size_t count, float* out,
                             std::size_t stride) {
  transpose(rows);
  for (std::size_t i = 0; i < count; ++i)
    __builtin_memcpy(out + i * stride, &rows[i], width * sizeof(float));
}

void spectrum(const Split& split, const float* points, std::size_t n_bins, std::size_t count,
              float* out) {
  const Complex* z = reinterpret_cast<const Complex*>(points);
  V rows[W];
  std::size_t k = 0;
  for (; k + W / 2 <= n_bins; k += W / 2) {
    for (std::size_t i = 0; i < W / 2; ++i) {
      const Complex v = real_bin(split, z, k + i);
      rows[2 * i] = v.re;
      rows[2 * i + 1] = v.im;
    }
    store_transposed(rows, W, count, out + 2 * k, 2 * n_bins);
  }
  if (k == n_bins) return;
  for (std::size_t i = 0; i < W; ++i) rows[i] = V{};
  for (std::size_t i = 0; i < n_bins - k; ++i) {
    const Complex v = real_bin(split, z, k + i);
    rows[2 * i] = v.re;
    rows[2 * i + 1] = v.im;
  }
  store_transposed(rows, 2 * (n_bins - k), count, out + 2 * k, 2 * n_bins);
}

void magnitudes(const Split& split, const float* points, std::size_t n_bins, float* out) {
  const Complex* z = reinterpret_cast<const Complex*>(points);
  V* squares = reinterpret_cast<V*>(out);
  for (std::size_t k = 0; k < n_bins; ++k) {
    const Complex v = real_bin(split, z, k);
    squares[k] = v.re * v.re + v.im * v.im;
  }
  for (std::size_t i = 0; i < n_bins * W; ++i) out[i] = __builtin_sqrtf(out[i]);
}

void bands(const Band* bands, std::size_t n_bands, const float* magnitudes, std::size_t count,
           float* out) {
  const V* x = reinterpret_cast<const V*>(magnitudes);
  for (std::size_t b = 0; b < n_bands; b += W) {
    const std::size_t width = n_bands - b < W ? n_bands - b : W;
    V rows[W];
    for (std::size_t i = 0; i < W; ++i) {
      rows[i] = V{};
      if (i >= width) continue;
      const Band& band = bands[b + i];
      const V* bins = x + band.first;
      V sums[4] = {};  // four at a time do not wait for one another, and round less
      std::size_t k = 0;
      for (; k + 4 <= band.size; k += 4)
#pragma GCC unroll 4
        for (std::size_t j = 0; j < 4; ++j) sums[j] += band.weights[k + j] * bins[k + j];
      for (; k < band.size; ++k) sums[0] += band.weights[k] * bins[k];
      rows[i] = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    }
    store_transposed(rows, width, count, out + b, n_bands);
  }
}

}  // namespace

const Kernels kernels = {
    .name = MELSPEC_ISA_NAME,
    .lanes = W,
    .load = load,
    .load_audio_f32 = load_audio_f32,
    .load_audio_i16 = load_audio_i16,
    .real_stage = real_stage,
    .fft = fft,
    .multiply = multiply,
    .spectrum = spectrum,
    .magnitudes = magnitudes,
    .bands = bands,
};

}  // namespace melspec::MELSPEC_ISA
