// Sound to fragments of mel-spectrogram, of a whole signal or as its samples arrive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "melspec/fft.h"

namespace melspec {

struct Band;

enum class Window { rectangular, hann };
enum class Mel { described, listing };
enum class Compression { linear, log };
enum class Reference { fragment, absolute };

// No field has a default: what is missing does not compile, what makes no sense is refused.
struct MelParams {
  std::int64_t frame_length;     // samples
  std::int64_t hop_length;       // samples between the starts of two frames
  std::int64_t fragment_length;  // samples between the starts of two fragments
  std::int64_t n_frames;         // frames in a fragment
  std::int64_t n_bins;           // bins of the spectrum that are kept
  double bin_hz;                 // distance between two bins
  double fmin, fmax;             // where the filterbank begins and ends, in Hz
  std::int64_t n_mels;
  Window window;
  Mel mel;
  Compression compression;
  Reference reference;
  double range_db;  // logarithmic only: what is spread over [-1, 1]
};

// Constant once constructed: any number of threads may use it, each with its own stream.
class MelSpectrogram {
 public:
  // Throws std::invalid_argument.
  explicit MelSpectrogram(const MelParams& params,
                          const Kernels& kernels = *supported_kernels().front());

  ~MelSpectrogram();
  MelSpectrogram(MelSpectrogram&&) noexcept;

  const MelParams& params() const { return params_; }
  std::size_t fragment_size() const;  // values in a fragment

  // Triangles of peak 1, (n_mels, n_bins).
  std::vector<float> filterbank() const;

  // All fragments of a signal, (n_fragments, n_frames, n_mels), values in [-1, 1].
  //
  // Fragment i starts at sample i * fragment_length; there are floor(size / fragment_length), but
  // one, if the signal is shorter than that and still has a whole frame. A fragment whose last
  // frames would pass the signal's end repeats its own frames from the start; one without a whole
  // frame does not exist. Samples that are not finite, or beyond 1e12, count as 0. A fragment
  // whose largest band energy is below 1e-20 is silence: all -1.
  template <typename T>
  std::vector<float> transform(std::span<const T> y) const;

 private:
  friend class Stream;

  MelParams params_;
  RealFft fft_;
  std::vector<float> window_;   // empty: rectangular
  std::vector<float> weights_;  // of all triangles, one after the other; bands_ point into it
  std::vector<Band> bands_;
  double full_scale_;  // peak magnitude of a sine of amplitude 1
};

}  // namespace melspec
