// Fragments of mel-spectrogram and their statistics of timbre from one pass over the samples.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "melspec/mel.h"
#include "melspec/stream.h"
#include "melspec/timbre.h"

namespace melspec {

// Of the same fragments, one after the other.
struct Extract {
  std::vector<float> fragments;   // (n, n_frames, n_mels)
  std::vector<float> statistics;  // (n, n_statistics)
};

// Constant once constructed: any number of threads may use it, each with its own stream.
class Extractor {
 public:
  // Statistics are taken of a second, finer spectrogram of the same fragments of time, which is
  // not kept; without one (null), of the fragments themselves. Throws std::invalid_argument if
  // the fine one has another fragment_length or longer frames, or as Timbre.
  Extractor(std::shared_ptr<const MelSpectrogram> spectrogram,
            std::shared_ptr<const MelSpectrogram> fine, std::size_t n_rates);

  const MelSpectrogram& spectrogram() const { return *spectrogram_; }
  const MelSpectrogram* fine() const { return fine_.get(); }
  const Timbre& timbre() const { return timbre_; }

  // All of a signal. There are as many fragments as spectrogram().transform gives.
  template <typename T>
  Extract transform(std::span<const T> y) const;

 private:
  std::shared_ptr<const MelSpectrogram> spectrogram_, fine_;
  Timbre timbre_;
};

// One signal as its samples arrive, for one thread; the extractor must outlive it. Its memory does
// not grow with the signal.
class ExtractorStream {
 public:
  explicit ExtractorStream(const Extractor& extractor);

  // Append the fragments that became complete in both spectrograms, and their statistics. The
  // result does not depend, to the last bit, on how the signal is cut into blocks. Throws
  // std::logic_error after finish().
  template <typename T>
  void push(std::span<const T> block, Extract& out);

  // The signal ends here: append what is left.
  void finish(Extract& out);

  std::int64_t n_samples() const { return stream_.n_samples(); }

 private:
  void hand_over(Extract& out);

  const Extractor& extractor_;
  Stream stream_;
  std::optional<Stream> fine_stream_;
  std::vector<float> fine_fragments_;  // fine fragments without statistics yet
  Extract waiting_;                    // what one spectrogram has completed and the other has not
  Scratch scratch_;
};

}  // namespace melspec
