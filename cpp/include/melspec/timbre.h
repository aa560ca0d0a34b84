// Statistics of timbre: what a fragment of mel-spectrogram sounds like, whatever is played.
#pragma once

#include <cstddef>
#include <vector>

#include "melspec/fft.h"

namespace melspec {

struct FragmentKernels;

// Constant once constructed: any number of threads may use it, each with its own scratch.
class Timbre {
 public:
  // Throws std::invalid_argument unless n_mels is a multiple of 32 and 1 <= n_rates <= n_frames
  // / 2.
  Timbre(std::size_t n_frames, std::size_t n_mels, std::size_t n_rates,
         const Kernels& kernels = *supported_kernels().front());

  std::size_t n_frames() const { return n_frames_; }
  std::size_t n_mels() const { return n_mels_; }
  std::size_t n_statistics() const;
  std::size_t scratch_size() const;  // floats

  // Of one fragment in decibels, (n_frames, n_mels):
  //
  // Of 32 bands (means of neighbouring mel bands) over time: mean, deviation, mean absolute change
  // from frame to frame, 10th and 90th percentile. Of the first 20 cepstra (orthonormal cosine
  // transform of the mel bands): mean, deviation, deviation of their change; correlations of every
  // two, the deviations raised by 0.001, so that those of what hardly moves tend to 0. Of 8 bands:
  // log(0.01 + mean magnitude of the band's own spectrum over time, less its mean, under a Hann
  // taper) at n_rates groups of rates, log-spaced from one period a fragment to half the frame
  // rate.
  void statistics(const float* fragment, float* out, float* scratch) const;

 private:
  std::size_t n_frames_, n_mels_;
  const FragmentKernels& kernels_;
  RealFft fft_;
  std::vector<std::size_t> rates_;  // n_rates + 1 bins, where groups begin and end
  std::vector<float> taper_;
  std::vector<float> basis_;  // of the cosine transform, [n_mels][cepstra_width]
};

}  // namespace melspec
