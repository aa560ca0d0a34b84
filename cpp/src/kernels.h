// The hot loops, compiled once for each instruction set and chosen at run time.
//
// A batch is as many frames as a vector register has lanes, side by side: element t of all of them
// lies in `lanes` consecutive floats, so every loop is a plain loop over whole registers and each
// lane goes through the same arithmetic, wherever it stands. A complex point is `lanes` real parts
// followed by `lanes` imaginary parts. All batch buffers are aligned to 64 bytes.
//
// A frame of n samples is transformed in two passes over memory, as a matrix of `rows` rows one
// after the other. The first pass transforms its columns, two real ones as one complex one; of
// their spectra only rows / 2 + 1 points are kept, as the others mirror them. The second transforms
// what is at point k of all columns, k = 0 ... rows / 2. All stages of one such transform run in
// buffers that stay in the first cache.
//
// Only plain types here: kernels.cpp must not instantiate anything that the linker could share
// between instruction sets.
#pragma once

#include <cstddef>
#include <cstdint>

namespace melspec {

// A greater prime factor goes through Bluestein's convolution, which takes about as long.
constexpr std::size_t kMaxPrime = 241;

// Where a batch comes from: frame i starts at x + min(i, count - 1) * stride.
template <typename T>
struct Frames {
  const T* x;
  std::size_t stride, count;
};

// One step of a Stockham transform of radix * m * s points (decimation in frequency).
struct Stage {
  std::size_t radix, m, s;
  const float* twiddles;  // [m][radix - 1] complex: exp(-2 pi i p k / (radix m)), k = 1 ...
  // Primes above 5, see prime.h: cos and sin, above 13 in the order of a generator's powers.
  const float* roots;
  const std::int32_t* order;
};

// A complex transform of one column of n points.
struct ColumnFft {
  std::size_t n, length;  // of `length` points, as a part of Bluestein's convolution, if longer
  std::size_t n_stages;
  const Stage* stages;
  const float* chirp;     // Bluestein: [n] complex, exp(-pi i t^2 / n), else null
  const float* response;  // [length] complex: spectrum of its conjugate, over length
};

// The two passes, and where in the scratch, in floats, they keep what.
struct Passes {
  std::size_t rows, columns;
  ColumnFft first, second;  // of `rows` and of `columns` points
  const float* twiddles;    // [columns][rows / 2] complex: exp(-2 pi i p k / n) / 2, k = 1 ...
  std::size_t tile, buffers[2], bins;
};

// A sparse band: weights of the bins first ... first + size - 1.
struct Band {
  std::size_t first, size;
  const float* weights;
};

struct Kernels {
  const char* name;
  std::size_t lanes;

  // The first pass. One takes samples as they are. The others take what is not finite, or beyond
  // 1e12, as 0, scale 16-bit samples by 1/32768, and multiply by the window (null: none).
  void (*load)(const Passes&, const Frames<float>&, float* scratch);
  void (*load_audio_f32)(const Passes&, const Frames<float>&, const float* window, float* scratch);
  void (*load_audio_i16)(const Passes&, const Frames<std::int16_t>&, const float* window,
                         float* scratch);

  // The second pass, to all bins as rows of interleaved complex numbers, one for each of `count`
  // frames ...
  void (*spectrum)(const Passes&, std::size_t count, float* out, float* scratch);

  // ... or to the first n_bins magnitudes, still side by side: [n_bins][lanes], in the scratch.
  const float* (*magnitudes)(const Passes&, std::size_t n_bins, float* scratch);

  // Weighted sums of magnitudes, one row of n_bands for each of `count` frames.
  void (*bands)(const Band* bands, std::size_t n_bands, const float* magnitudes, std::size_t count,
                float* out);
};

namespace baseline {
extern const Kernels kernels;
}
namespace avx2 {
extern const Kernels kernels;
}
namespace avx512 {
extern const Kernels kernels;
}

}  // namespace melspec
