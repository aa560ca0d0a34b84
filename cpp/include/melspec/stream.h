// One signal on its way through a MelSpectrogram, as its samples arrive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "melspec/mel.h"

namespace melspec {

// For one thread; the spectrogram must outlive it. Holds the samples of one batch of frames at
// most (of one fragment, if fragments overlap), so its memory does not grow with the signal.
class Stream {
 public:
  explicit Stream(const MelSpectrogram& spectrogram);

  // Append the fragments that became complete to `out`. The result does not depend, to the last
  // bit, on how the signal is cut into blocks. Throws std::logic_error after finish().
  template <typename T>
  void push(std::span<const T> block, std::vector<float>& out);

  // The signal ends here: append what is left.
  void finish(std::vector<float>& out);

  std::int64_t n_samples() const { return seen_; }

 private:
  std::int64_t next_frame() const { return fragment_start_ + done_ * p_.hop_length; }
  std::int64_t next_fragment() const { return fragment_start_ + p_.fragment_length; }
  std::int64_t wanted_from() const;
  template <typename T>
  void take(std::span<const T>& block, std::int64_t count);
  template <typename T>
  void add_frames(const T* first, std::int64_t count);
  void add_pending_frames(std::int64_t count);
  void end_fragment(std::vector<float>& out);
  void require_unfinished() const;

  const MelSpectrogram& spectrogram_;
  const MelParams& p_;
  Scratch scratch_;
  std::vector<float> energies_;      // of the fragment in progress, (n_frames, n_mels)
  std::vector<float> pending_;       // the last samples before seen_
  std::int64_t seen_ = 0;            // samples so far
  std::int64_t fragment_start_ = 0;  // first sample of the fragment in progress
  std::int64_t done_ = 0;            // its frames that are done
  bool finished_ = false;
};

}  // namespace melspec
