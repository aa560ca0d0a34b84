#include "melspec/extractor.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace melspec {
namespace {

// The spectrogram that the statistics are taken of.
const MelSpectrogram& described(const MelSpectrogram& spectrogram, const MelSpectrogram* fine) {
  if (fine == nullptr) return spectrogram;
  if (fine->params().fragment_length != spectrogram.params().fragment_length)
    throw std::invalid_argument("both spectrograms must have the same fragment_length");
  // Else a short signal could have a fragment of one and not of the other.
  if (fine->params().frame_length > spectrogram.params().frame_length)
    throw std::invalid_argument("the fine spectrogram must not have the longer frames");
  return *fine;
}

Timbre timbre_of(const MelSpectrogram& spectrogram, std::size_t n_rates) {
  const MelParams& p = spectrogram.params();
  if (p.compression != Compression::log)
    throw std::invalid_argument("the spectrogram of the statistics must be in decibels");
  return {static_cast<std::size_t>(p.n_frames), static_cast<std::size_t>(p.n_mels), n_rates};
}

void move_first(std::vector<float>& from, std::size_t n, std::vector<float>& to) {
  const auto end = from.begin() + static_cast<std::ptrdiff_t>(n);
  to.insert(to.end(), from.begin(), end);
  from.erase(from.begin(), end);
}

}  // namespace

Extractor::Extractor(std::shared_ptr<const MelSpectrogram> spectrogram,
                     std::shared_ptr<const MelSpectrogram> fine, std::size_t n_rates)
    : spectrogram_(std::move(spectrogram)),
      fine_(std::move(fine)),
      timbre_(timbre_of(described(*spectrogram_, fine_.get()), n_rates)) {}

template <typename T>
Extract Extractor::transform(std::span<const T> y) const {
  Extract out;
  ExtractorStream stream(*this);
  stream.push(y, out);
  stream.finish(out);
  return out;
}

ExtractorStream::ExtractorStream(const Extractor& extractor)
    : extractor_(extractor),
      stream_(extractor.spectrogram()),
      scratch_(extractor.timbre().scratch_size()) {
  if (extractor.fine() != nullptr) fine_stream_.emplace(*extractor.fine());
}

template <typename T>
void ExtractorStream::push(std::span<const T> block, Extract& out) {
  // A fragment's time after the other, so that its samples are still in the cache the second time
  // and its fine spectrogram is when its statistics are taken.
  const std::int64_t length = extractor_.spectrogram().params().fragment_length;
  do {
    const auto until_next = static_cast<std::size_t>(length - n_samples() % length);
    const auto piece = block.first(std::min(block.size(), until_next));
    block = block.subspan(piece.size());
    stream_.push(piece, waiting_.fragments);
    if (fine_stream_) fine_stream_->push(piece, fine_fragments_);
    hand_over(out);
  } while (!block.empty());
}

void ExtractorStream::finish(Extract& out) {
  stream_.finish(waiting_.fragments);
  if (fine_stream_) fine_stream_->finish(fine_fragments_);
  hand_over(out);
}

void ExtractorStream::hand_over(Extract& out) {
  const Timbre& timbre = extractor_.timbre();
  // Without a fine spectrogram nothing waits: all that is there is new.
  std::vector<float>& fresh = fine_stream_ ? fine_fragments_ : waiting_.fragments;
  std::vector<float>& statistics = waiting_.statistics;
  const std::size_t size = timbre.n_frames() * timbre.n_mels();
  for (std::size_t i = 0; i < fresh.size(); i += size) {
    const std::size_t place = statistics.size();
    statistics.resize(place + timbre.n_statistics());
    timbre.statistics(fresh.data() + i, statistics.data() + place, scratch_.get());
  }
  if (fine_stream_) fresh.clear();
  const std::size_t fragment_size = extractor_.spectrogram().fragment_size();
  const std::size_t n = std::min(waiting_.fragments.size() / fragment_size,
                                 statistics.size() / timbre.n_statistics());
  move_first(waiting_.fragments, n * fragment_size, out.fragments);
  move_first(statistics, n * timbre.n_statistics(), out.statistics);
}

template Extract Extractor::transform(std::span<const float>) const;
template Extract Extractor::transform(std::span<const std::int16_t>) const;
template void ExtractorStream::push(std::span<const float>, Extract&);
template void ExtractorStream::push(std::span<const std::int16_t>, Extract&);

}  // namespace melspec
