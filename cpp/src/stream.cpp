#include "melspec/stream.h"

#include <algorithm>
#include <stdexcept>

#include "fragment_kernels.h"
#include "kernels.h"

namespace melspec {
namespace {

// The smallest energy that is not silence: its square is still a number in single precision.
constexpr float kSilence = 1e-20f;

float to_float(float x) { return x; }
float to_float(std::int16_t x) { return static_cast<float>(x) * (1.0f / 32768.0f); }

// Band energies of a fragment to [-1, 1], in place.
void normalise(std::span<float> energies, const MelParams& p, double full_scale,
               const FragmentKernels& kernels) {
  const float largest = kernels.largest(energies.data(), energies.size());
  if (largest < kSilence) {
    std::fill(energies.begin(), energies.end(), -1.0f);
    return;
  }
  const float reference =
      p.reference == Reference::fragment ? largest : static_cast<float>(full_scale);
  if (p.compression == Compression::linear) {
    for (float& x : energies) x = std::min(2 * (x / reference) - 1, 1.0f);
    return;
  }
  kernels.decibels(energies.data(), energies.size(), reference, static_cast<float>(p.range_db));
}

}  // namespace

Stream::Stream(const MelSpectrogram& spectrogram)
    : spectrogram_(spectrogram),
      p_(spectrogram.params()),
      scratch_(spectrogram.fft_.scratch_size()),
      energies_(spectrogram.fragment_size()) {}

// The first sample that is still needed, now or for the next fragment.
std::int64_t Stream::wanted_from() const {
  return done_ < p_.n_frames ? std::min(next_frame(), next_fragment()) : next_fragment();
}

void Stream::require_unfinished() const {
  if (finished_) throw std::logic_error("the stream is finished: start a new one");
}

template <typename T>
void Stream::push(std::span<const T> block, std::vector<float>& out) {
  require_unfinished();
  const auto lanes = static_cast<std::int64_t>(spectrogram_.fft_.lanes());
  const std::int64_t end = seen_ + static_cast<std::int64_t>(block.size());
  for (;;) {
    if (done_ == p_.n_frames) {
      if (next_fragment() > end) break;
      end_fragment(out);
      continue;
    }
    const std::int64_t count = std::min(lanes, p_.n_frames - done_);
    const std::int64_t until = next_frame() + (count - 1) * p_.hop_length + p_.frame_length;
    if (until > end) break;
    if (next_frame() >= seen_) {  // the whole batch lies in the block: no need to copy it
      add_frames(block.data() + (next_frame() - seen_), count);
    } else {
      take(block, std::max(until - seen_, std::int64_t{0}));
      add_pending_frames(count);
    }
  }
  take(block, end - seen_);
}

void Stream::finish(std::vector<float>& out) {
  require_unfinished();
  finished_ = true;
  for (;;) {
    const std::int64_t room = seen_ - next_frame() - p_.frame_length;
    if (done_ < p_.n_frames && room >= 0) {
      const auto lanes = static_cast<std::int64_t>(spectrogram_.fft_.lanes());
      add_pending_frames(std::min({lanes, p_.n_frames - done_, room / p_.hop_length + 1}));
      continue;
    }
    // A fragment counts if all of its time has passed; the first counts in any case.
    if (done_ == 0 || (next_fragment() > seen_ && fragment_start_ > 0)) break;
    end_fragment(out);
  }
  pending_ = {};
}

// Move samples from the block to those that wait, and forget what nobody needs any more.
template <typename T>
void Stream::take(std::span<const T>& block, std::int64_t count) {
  const std::int64_t pending_start = seen_ - static_cast<std::int64_t>(pending_.size());
  const std::int64_t passed = std::clamp(wanted_from(), pending_start, seen_) - pending_start;
  pending_.erase(pending_.begin(), pending_.begin() + passed);
  const std::int64_t skipped = std::clamp(wanted_from() - seen_, std::int64_t{0}, count);
  const auto taken = block.first(static_cast<std::size_t>(count));
  const auto kept = taken.subspan(static_cast<std::size_t>(skipped));
  const std::size_t old_size = pending_.size();
  pending_.resize(old_size + kept.size());
  for (std::size_t i = 0; i < kept.size(); ++i) pending_[old_size + i] = to_float(kept[i]);
  block = block.subspan(static_cast<std::size_t>(count));
  seen_ += count;
}

template <typename T>
void Stream::add_frames(const T* first, std::int64_t count) {
  const RealFft& fft = spectrogram_.fft_;
  const auto n_mels = static_cast<std::size_t>(p_.n_mels);
  const float* window = spectrogram_.window_.empty() ? nullptr : spectrogram_.window_.data();
  const float* magnitudes = fft.magnitudes(first, static_cast<std::size_t>(p_.hop_length),
                                           static_cast<std::size_t>(count), window,
                                           static_cast<std::size_t>(p_.n_bins), scratch_.get());
  fft.kernels().bands(spectrogram_.bands_.data(), n_mels, magnitudes,
                      static_cast<std::size_t>(count),
                      energies_.data() + static_cast<std::size_t>(done_) * n_mels);
  done_ += count;
}

void Stream::add_pending_frames(std::int64_t count) {
  const std::int64_t pending_start = seen_ - static_cast<std::int64_t>(pending_.size());
  add_frames(pending_.data() + (next_frame() - pending_start), count);
}

void Stream::end_fragment(std::vector<float>& out) {
  const auto n_mels = static_cast<std::size_t>(p_.n_mels);
  const auto done = static_cast<std::size_t>(done_) * n_mels;
  for (std::size_t i = done; i < energies_.size(); ++i) energies_[i] = energies_[i - done];
  normalise(energies_, p_, spectrogram_.full_scale_, fragment_kernels(spectrogram_.fft_.kernels()));
  out.insert(out.end(), energies_.begin(), energies_.end());
  fragment_start_ = next_fragment();
  done_ = 0;
}

template void Stream::push(std::span<const float>, std::vector<float>&);
template void Stream::push(std::span<const std::int16_t>, std::vector<float>&);

}  // namespace melspec
