// Compiled once for each instruction set: MELSPEC_ISA names it, the compiler's flags choose it.

#include "kernels.h"

#include "column.h"
#include "lanes.h"

namespace melspec::MELSPEC_ISA {
namespace {

INLINE std::size_t smaller(std::size_t a, std::size_t b) { return a < b ? a : b; }

INLINE V clean(V x) {
  const V magnitude = x < 0.0f ? -x : x;
  return magnitude <= 1e12f ? x : V{};  // also false for NaN
}

// Samples of `size` columns from `first` on, all rows, to tile[row][8].
template <typename T>
INLINE void load_tile(const Passes& passes, const Frames<T>& frames, std::size_t first,
                      std::size_t size, V* tile) {
  const T* x[W];
  for (std::size_t i = 0; i < W; ++i)
    x[i] = frames.x + (i < frames.count ? i : frames.count - 1) * frames.stride;
  T padded[W][kTile<T>] = {};
  const T* padded_x[W];
  for (std::size_t i = 0; i < W; ++i) padded_x[i] = padded[i];
  for (std::size_t row = 0; row < passes.rows; ++row) {
    const std::size_t t = row * passes.columns + first;
    V words[8];
    if (size == kTile<T>) {
      load_words(x, t, words);
    } else {
      for (std::size_t i = 0; i < W; ++i)
        for (std::size_t j = 0; j < size; ++j) padded[i][j] = x[i][t + j];
      load_words(padded_x, 0, words);
    }
#pragma GCC unroll 8
    for (std::size_t j = 0; j < 8; ++j) tile[8 * row + j] = words[j];
  }
}

// Columns j and j + 1 of a tile as the real and the imaginary part of one. The window begins with
// the first row's weight for column j.
template <typename T>
INLINE void take_columns(const Passes& passes, const V* tile, std::size_t j, bool both,
                         const float* window, Complex* out) {
  for (std::size_t row = 0; row < passes.rows; ++row) {
    Complex v = two_samples<T>(tile + 8 * row, j);
    if constexpr (std::is_same_v<T, float>) v = {clean(v.re), clean(v.im)};
    if (window != nullptr) {
      const float* w = window + row * passes.columns;
      v = {v.re * w[0], v.im * w[both ? 1 : 0]};
    }
    out[row].re = v.re;
    out[row].im = v.im;
  }
}

// Two real columns were the real and the imaginary part of one complex column. Their spectra,
// turned, go to two rows of points.
INLINE void separate(const Complex* z, std::size_t n, const float* twiddles, std::size_t kept,
                     bool both, Complex* out) {
  const V zero = {};
  out[0].re = z[0].re;
  out[0].im = zero;
  if (both) {
    out[kept].re = z[0].im;
    out[kept].im = zero;
  }
  for (std::size_t k = 1; k < kept; ++k) {
    const Complex a = {z[k].re, z[k].im}, b = {z[n - k].re, z[n - k].im};
    const Complex x = times({a.re + b.re, a.im - b.im}, twiddles + 2 * (k - 1));
    out[k].re = x.re;
    out[k].im = x.im;
    if (!both) continue;
    const Complex y = times({a.im + b.im, b.re - a.re}, twiddles + 2 * (kept - 1 + k - 1));
    out[kept + k].re = y.re;
    out[kept + k].im = y.im;
  }
}

Complex* points_at(float* scratch, std::size_t place) {
  return reinterpret_cast<Complex*>(scratch + place);
}

template <bool Audio, typename T>
INLINE void first_pass(const Passes& passes, const Frames<T>& frames, const float* window,
                       float* scratch) {
  const std::size_t columns = passes.columns, kept = passes.rows / 2 + 1;
  const std::size_t even = columns / 2 * 2;
  V* tile = reinterpret_cast<V*>(scratch + passes.tile);
  Complex* out = points_at(scratch, 0);
  Complex *a = points_at(scratch, passes.buffers[0]), *b = points_at(scratch, passes.buffers[1]);
  for (std::size_t next = 0, end; next < columns; next = end) {
    // The last tile begins earlier if it would not be full. An odd column is left alone at the end:
    // who shares a transform with whom does not depend on the samples' type.
    const std::size_t size = next == even ? 1 : smaller(kTile<T>, even);
    const std::size_t first = next == even ? next : smaller(next, even - size);
    end = first + size;
    load_tile(passes, frames, first, size, tile);
    for (std::size_t p = next; p < end; p += 2) {
      const bool both = p + 1 < end;
      const Complex* z;
      if constexpr (Audio) {
        take_columns<T>(passes, tile, p - first, both, window == nullptr ? nullptr : window + p, b);
        z = transform_column(passes.first, b, 1, a, b);
      } else {
        z = transform_column(passes.first, reinterpret_cast<Complex*>(tile + (p - first)), 4, a, b);
      }
      separate(z, passes.rows, passes.twiddles + 2 * (kept - 1) * p, kept, both, out + kept * p);
    }
  }
}

void load(const Passes& passes, const Frames<float>& frames, float* scratch) {
  first_pass<false>(passes, frames, nullptr, scratch);
}
void load_audio_f32(const Passes& passes, const Frames<float>& frames, const float* window,
                    float* scratch) {
  first_pass<true>(passes, frames, window, scratch);
}
void load_audio_i16(const Passes& passes, const Frames<std::int16_t>& frames, const float* window,
                    float* scratch) {
  first_pass<true>(passes, frames, window, scratch);
}

// Gives bins 0 ... n_bins - 1 of the whole transform: out(bin, point), or what the point mirrors.
template <typename Out>
INLINE void second_pass(const Passes& passes, std::size_t n_bins, float* scratch, Out out) {
  const std::size_t rows = passes.rows, columns = passes.columns, kept = rows / 2 + 1;
  for (std::size_t k = 0; k < kept; ++k) {
    const Complex* z = transform_column(passes.second, points_at(scratch, 0) + k, kept,
                                        points_at(scratch, passes.buffers[0]),
                                        points_at(scratch, passes.buffers[1]));
    // Point j is bin k + rows * j of all n, and the conjugate of bin n - k - rows * j.
    for (std::size_t bin = k, j = 0; bin < n_bins; bin += rows, ++j) out(bin, z[j], 1.0f);
    if (k == 0 || 2 * k == rows) continue;  // these mirror themselves
    for (std::size_t bin = rows - k, j = columns; bin < n_bins; bin += rows)
      out(bin, z[--j], -1.0f);
  }
}

// Rows of W values to the first `count` lanes' own rows, `width` of the values only.
INLINE void store_transposed(V* rows, std::size_t width, std::size_t count, float* out,
                             std::size_t stride) {
  transpose<W>(rows);
  if (width == W && count == W) {
#pragma GCC unroll 16
    for (std::size_t i = 0; i < W; ++i) __builtin_memcpy(out + i * stride, &rows[i], sizeof(V));
  } else {
    for (std::size_t i = 0; i < count; ++i)
      __builtin_memcpy(out + i * stride, &rows[i], width * sizeof(float));
  }
}

void spectrum(const Passes& passes, std::size_t count, float* out, float* scratch) {
  const std::size_t n_bins = passes.rows * passes.columns / 2 + 1;
  Complex* bins = points_at(scratch, passes.bins);
  second_pass(passes, n_bins, scratch, [bins](std::size_t bin, const Complex& z, float sign) {
    bins[bin].re = z.re;
    bins[bin].im = sign * z.im;
  });
  const V* values = reinterpret_cast<const V*>(bins);
  for (std::size_t t = 0; t < 2 * n_bins; t += W) {
    V rows[W];
#pragma GCC unroll 16
    for (std::size_t i = 0; i < W; ++i) rows[i] = values[t + i];
    store_transposed(rows, 2 * n_bins - t < W ? 2 * n_bins - t : W, count, out + t, 2 * n_bins);
  }
}

const float* magnitudes(const Passes& passes, std::size_t n_bins, float* scratch) {
  float* out = scratch + passes.bins;
  V* squares = reinterpret_cast<V*>(out);
  second_pass(passes, n_bins, scratch, [squares](std::size_t bin, const Complex& z, float) {
    squares[bin] = square_root(z.re * z.re + z.im * z.im);
  });
  return out;
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
    .spectrum = spectrum,
    .magnitudes = magnitudes,
    .bands = bands,
};

}  // namespace melspec::MELSPEC_ISA
