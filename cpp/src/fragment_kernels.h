// The loops over one fragment of mel-spectrogram, compiled once for each instruction set.
//
// A series is a matrix [n_frames][width], width a multiple of the lanes: what stands side by side
// goes through the same arithmetic at once. Only plain types here, as in kernels.h.
#pragma once

#include <cstddef>

#include "kernels.h"

namespace melspec {

constexpr std::size_t kBands = 32;  // n_mels is a multiple of it
constexpr std::size_t kCepstra = 20;

// What is told of each column of a series, one after the other, each of `width` values.
enum Moment : std::size_t { kMean, kDeviation, kChange, kChangeDeviation, kMoments };

struct FragmentKernels {
  std::size_t cepstra_width;  // kCepstra, and zeros up to whole registers

  // Of band energies, none of which is negative.
  float (*largest)(const float* energies, std::size_t n);

  // Band energies to decibels, in place: those that equal the reference become 1, those range_db
  // below it, or lower, -1; none lies outside. At 80 dB at most 2.6e-7 off.
  void (*decibels)(float* energies, std::size_t n, float reference, float range_db);

  // Rows of n_mels times a matrix [n_mels][cepstra_width].
  void (*project)(const float* rows, std::size_t n_frames, std::size_t n_mels, const float* basis,
                  float* out);

  // [kMoments][width]: mean, deviation, mean absolute change from a frame to the next, and the
  // change's deviation.
  void (*moments)(const float* series, std::size_t n_frames, std::size_t width, float* out);

  // Each column on its own, ascending.
  void (*sort)(float* series, std::size_t n_frames, std::size_t width);

  // [kCepstra][cepstra_width]: mean products of every two columns less their means.
  void (*covariance)(float* series, std::size_t n_frames, const float* means, float* out);
};

// Those of the same instruction set.
const FragmentKernels& fragment_kernels(const Kernels& kernels);

namespace baseline {
extern const FragmentKernels fragment_kernels;
}
namespace avx2 {
extern const FragmentKernels fragment_kernels;
}
namespace avx512 {
extern const FragmentKernels fragment_kernels;
}

}  // namespace melspec
