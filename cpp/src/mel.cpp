#include "melspec/mel.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>
#include <string>

#include "kernels.h"
#include "melspec/stream.h"

namespace melspec {
namespace {

constexpr std::int64_t kMaxSize = std::int64_t{1} << 24;

void require(bool condition, const std::string& message) {
  if (!condition) throw std::invalid_argument(message);
}

void require_size(const char* name, std::int64_t value) {
  require(value >= 1 && value <= kMaxSize,
          std::string(name) + " must lie between 1 and 2^24, not " + std::to_string(value));
}

MelParams checked(const MelParams& p) {
  require_size("frame_length", p.frame_length);
  require_size("hop_length", p.hop_length);
  require_size("n_frames", p.n_frames);
  require_size("n_mels", p.n_mels);
  require(p.fragment_length >= 1 && p.fragment_length <= kMaxSize * kMaxSize,
          "fragment_length must be positive, not " + std::to_string(p.fragment_length));
  require(p.n_frames * p.n_mels <= kMaxSize, "n_frames * n_mels must not exceed 2^24");
  require(p.n_bins >= 1 && p.n_bins <= p.frame_length / 2 + 1,
          "n_bins must lie between 1 and frame_length / 2 + 1, not " + std::to_string(p.n_bins));
  require(std::isfinite(p.bin_hz) && p.bin_hz > 0, "bin_hz must be positive");
  require(std::isfinite(p.fmax) && 0 <= p.fmin && p.fmin < p.fmax, "need 0 <= fmin < fmax");
  require(std::isfinite(p.range_db) && p.range_db > 0, "range_db must be positive");
  return p;
}

double mel_of(double hz) { return 1127.01048 * std::log1p(hz / 700.0); }
double hz_of(double mel) { return 700.0 * std::expm1(mel / 1127.01048); }

// Where triangles begin, peak and end, in Hz: triangle b has the edges b, b + 1 and b + 2.
std::vector<double> edges_hz(const MelParams& p) {
  const double low = mel_of(p.fmin), high = mel_of(p.fmax);
  // As described, n_mels + 1 steps span the range. The listing takes range / n_mels for a
  // triangle's whole width and steps by half of it, so its triangles end halfway up.
  const double steps = static_cast<double>(p.mel == Mel::described ? p.n_mels + 1 : 2 * p.n_mels);
  std::vector<double> edges;
  for (std::int64_t b = 0; b < p.n_mels + 2; ++b)
    edges.push_back(hz_of(low + static_cast<double>(b) * (high - low) / steps));
  return edges;
}

// Fragments of a signal: of those whose time has passed, the ones with a whole frame; or the first.
std::size_t n_fragments(const MelParams& p, std::int64_t n_samples) {
  if (n_samples < p.frame_length) return 0;
  const std::int64_t room = std::min(n_samples, n_samples - p.frame_length + p.fragment_length);
  return static_cast<std::size_t>(std::max(room / p.fragment_length, std::int64_t{1}));
}

double triangle(double hz, double left, double centre, double right) {
  return std::max(0.0, std::min((hz - left) / (centre - left), (right - hz) / (right - centre)));
}

}  // namespace

MelSpectrogram::MelSpectrogram(const MelParams& params, const Kernels& kernels)
    : params_(checked(params)),
      fft_(static_cast<std::size_t>(params.frame_length), kernels),
      full_scale_(static_cast<double>(params.frame_length) / 2) {
  const MelParams& p = params_;
  if (p.window == Window::hann) {
    const double n = static_cast<double>(p.frame_length);
    double sum = 0;
    for (std::int64_t t = 0; t < p.frame_length; ++t) {
      const double w = 0.5 - 0.5 * std::cos(2 * std::numbers::pi * static_cast<double>(t) / n);
      window_.push_back(static_cast<float>(w));
      sum += w;
    }
    full_scale_ = sum / 2;
  }
  const std::vector<double> edges = edges_hz(p);
  for (std::size_t b = 0; b < static_cast<std::size_t>(p.n_mels); ++b) {
    // Only the bins inside a triangle: those at its two ends weigh nothing.
    const double n_bins = static_cast<double>(p.n_bins);
    const auto first = std::min(std::floor(edges[b] / p.bin_hz) + 1, n_bins);
    const auto end = std::clamp(std::ceil(edges[b + 2] / p.bin_hz), first, n_bins);
    bands_.push_back(
        {static_cast<std::size_t>(first), static_cast<std::size_t>(end - first), nullptr});
    for (double k = first; k < end; ++k)
      weights_.push_back(
          static_cast<float>(triangle(k * p.bin_hz, edges[b], edges[b + 1], edges[b + 2])));
  }
  const float* weights = weights_.data();
  for (Band& band : bands_) {
    band.weights = weights;
    weights += band.size;
  }
}

MelSpectrogram::~MelSpectrogram() = default;
MelSpectrogram::MelSpectrogram(MelSpectrogram&&) noexcept = default;

std::size_t MelSpectrogram::fragment_size() const {
  return static_cast<std::size_t>(params_.n_frames * params_.n_mels);
}

std::vector<float> MelSpectrogram::filterbank() const {
  const auto n_bins = static_cast<std::size_t>(params_.n_bins);
  std::vector<float> dense(bands_.size() * n_bins, 0.0f);
  for (std::size_t b = 0; b < bands_.size(); ++b)
    std::copy_n(bands_[b].weights, bands_[b].size, dense.data() + b * n_bins + bands_[b].first);
  return dense;
}

template <typename T>
std::vector<float> MelSpectrogram::transform(std::span<const T> y) const {
  std::vector<float> out;
  out.reserve(n_fragments(params_, static_cast<std::int64_t>(y.size())) * fragment_size());
  Stream stream(*this);
  stream.push(y, out);
  stream.finish(out);
  return out;
}

template std::vector<float> MelSpectrogram::transform(std::span<const float>) const;
template std::vector<float> MelSpectrogram::transform(std::span<const std::int16_t>) const;

}  // namespace melspec
