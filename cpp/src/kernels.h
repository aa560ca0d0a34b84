// The hot loops, compiled once for each instruction set and chosen at run time.
//
// A batch is as many frames as a vector register has lanes, side by side: element t of all of them
// lies in `lanes` consecutive floats, so every loop is a plain loop over whole registers and each
// lane goes through the same arithmetic, wherever it stands. A complex point is `lanes` real parts
// followed by `lanes` imaginary parts. All batch buffers are aligned to 64 bytes.
//
// Only plain types here: kernels.cpp must not instantiate anything that the linker could share
// between instruction sets.
#pragma once

#include <cstddef>
#include <cstdint>

namespace melspec {

// Where a batch comes from: frame i starts at x + min(i, count - 1) * stride.
template <typename T>
struct Frames {
  const T* x;
  std::size_t stride, count, length;
};

// One pass of a Stockham transform of length radix * m * s (decimation in frequency).
struct Stage {
  std::size_t radix, m, s;
  const float* twiddles;  // [m][radix - 1] complex: exp(-2 pi i p k / (radix m)), k = 1 ...
  const float* roots;     // radix > 5 or real: [k][j] (cos, sin) of 2 pi j k / radix, j, k = 1 ...
};

// Where the bins of a real spectrum are found in the transform. Either the even samples were its
// real part and the odd ones its imaginary part ...
struct Split {
  std::size_t n_points;        // length of the transform
  const float* twiddles;       // [n_points + 1] complex, exp(-2 pi i k / (2 n_points)), or null:
  const std::int32_t* places;  // ... bin k stands at places[k], or its conjugate at ~places[k]
};

// A sparse band: weights of the bins first ... first + size - 1.
struct Band {
  std::size_t first, size;
  const float* weights;
};

struct Kernels {
  const char* name;
  std::size_t lanes;

  // Transpose a batch to points; `complex` puts a zero imaginary part after every sample. The
  // first takes samples as they are. The others take what is not finite, or beyond 1e12, as 0,
  // scale 16-bit samples by 1/32768, and multiply by the window (null: none).
  void (*load)(const Frames<float>&, bool complex, float* points);
  void (*load_audio_f32)(const Frames<float>&, bool complex, const float* window, float* points);
  void (*load_audio_i16)(const Frames<std::int16_t>&, bool complex, const float* window,
                         float* points);

  // The first stage of a transform of real samples whose length is odd (s = 1): points x[j * m + p]
  // to the outputs k = 0 ... radix / 2 at y[(radix / 2 + 1) * p + k]; the rest mirrors them.
  void (*real_stage)(const Stage&, const float* x, float* y);

  // Run all stages from x, with y as the other buffer; returns the one that holds the result.
  float* (*fft)(const Stage* stages, std::size_t n_stages, float* x, float* y);

  // out[t] = x[t] * w[t]; with `swap` real and imaginary parts change places afterwards.
  void (*multiply)(const float* x, const float* w, std::size_t n, bool swap, float* out);

  // Bins 0 ... n_bins - 1 as rows of interleaved complex numbers, one for each of `count` frames.
  void (*spectrum)(const Split&, const float* z, std::size_t n_bins, std::size_t count, float* out);

  // Their magnitudes, still side by side: [n_bins][lanes].
  void (*magnitudes)(const Split&, const float* z, std::size_t n_bins, float* out);

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
