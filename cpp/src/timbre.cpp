#include "melspec/timbre.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>
#include <string>

#include "fragment_kernels.h"

namespace melspec {
namespace {

constexpr std::size_t kModulatedBands = 8;
constexpr std::size_t kMaxSize = std::size_t{1} << 24;
constexpr float kMinLevel = 1e-2f;  // keeps the logarithm of a modulation that is not there finite
constexpr float kMinDeviation = 1e-3f;

std::size_t checked_frames(std::size_t n_frames, std::size_t n_mels, std::size_t n_rates) {
  if (n_mels == 0 || n_mels % kBands != 0 || n_mels > kMaxSize)
    throw std::invalid_argument("n_mels must be a multiple of 32, not " + std::to_string(n_mels));
  if (n_frames > kMaxSize / n_mels)
    throw std::invalid_argument("n_frames * n_mels must not exceed 2^24");
  if (n_rates < 1 || n_rates > n_frames / 2)
    throw std::invalid_argument("n_rates must lie between 1 and n_frames / 2, not " +
                                std::to_string(n_rates));
  return n_frames;
}

// To whole registers of any kind: parts of the scratch are aligned.
std::size_t rounded_up(std::size_t n) { return (n + 15) / 16 * 16; }

// Bins of a spectrum of n_frames, from 1 to the last, in n_rates groups like octaves; none is
// empty.
std::vector<std::size_t> rate_groups(std::size_t n_frames, std::size_t n_rates) {
  std::vector<std::size_t> edges;
  const auto end = static_cast<double>(n_frames / 2 + 1);
  for (std::size_t i = 0; i <= n_rates; ++i) {
    const double edge = std::pow(end, static_cast<double>(i) / static_cast<double>(n_rates));
    edges.push_back(std::max(static_cast<std::size_t>(std::lround(edge)), i + 1));
  }
  return edges;
}

// First columns of the orthonormal discrete cosine transform (type 2).
std::vector<float> cosine_basis(std::size_t n_mels, std::size_t width) {
  std::vector<float> basis(n_mels * width, 0.0f);
  const auto n = static_cast<double>(n_mels);
  for (std::size_t m = 0; m < n_mels; ++m) {
    const double angle = std::numbers::pi * (static_cast<double>(m) + 0.5) / n;
    for (std::size_t k = 0; k < kCepstra; ++k)
      basis[m * width + k] = static_cast<float>(std::sqrt((k == 0 ? 1 : 2) / n) *
                                                std::cos(angle * static_cast<double>(k)));
  }
  return basis;
}

// Means of `width` neighbours.
void pool(const float* x, std::size_t n, std::size_t width, float* out) {
  for (std::size_t i = 0; i < n; ++i) {
    float sum = 0;
    for (std::size_t j = 0; j < width; ++j) sum += x[i * width + j];
    out[i] = sum / static_cast<float>(width);
  }
}

// Of the columns of a sorted series, with linear interpolation.
float* quantiles(const float* sorted, std::size_t n_frames, double q, float* out) {
  const double place = q * static_cast<double>(n_frames - 1);
  const auto below = std::min(static_cast<std::size_t>(place), n_frames - 2);
  const auto part = static_cast<float>(place - static_cast<double>(below));
  const float *a = sorted + below * kBands, *b = a + kBands;
  for (std::size_t i = 0; i < kBands; ++i) out[i] = a[i] + (b[i] - a[i]) * part;
  return out + kBands;
}

float* correlations(const float* covariance, std::size_t width, float* out) {
  float deviations[kCepstra];
  for (std::size_t i = 0; i < kCepstra; ++i)
    deviations[i] = std::sqrt(covariance[i * width + i]) + kMinDeviation;
  for (std::size_t i = 0; i < kCepstra; ++i)
    for (std::size_t j = i + 1; j < kCepstra; ++j)
      *out++ = covariance[i * width + j] / deviations[i] / deviations[j];
  return out;
}

}  // namespace

Timbre::Timbre(std::size_t n_frames, std::size_t n_mels, std::size_t n_rates,
               const Kernels& kernels)
    : n_frames_(checked_frames(n_frames, n_mels, n_rates)),
      n_mels_(n_mels),
      kernels_(fragment_kernels(kernels)),
      fft_(n_frames, kernels),
      rates_(rate_groups(n_frames, n_rates)),
      basis_(cosine_basis(n_mels, kernels_.cepstra_width)) {
  const double step = 2 * std::numbers::pi / static_cast<double>(n_frames - 1);
  for (std::size_t t = 0; t < n_frames; ++t)
    taper_.push_back(static_cast<float>(0.5 - 0.5 * std::cos(step * static_cast<double>(t))));
}

std::size_t Timbre::n_statistics() const {
  return 5 * kBands + 3 * kCepstra + kCepstra * (kCepstra - 1) / 2 +
         kModulatedBands * (rates_.size() - 1);
}

std::size_t Timbre::scratch_size() const {
  const std::size_t width = kernels_.cepstra_width;
  return n_frames_ * kBands + rounded_up(n_frames_ * width) +
         rounded_up(n_frames_ * kModulatedBands) + kMoments * kBands +
         rounded_up(kCepstra * width) + fft_.scratch_size();
}

void Timbre::statistics(const float* fragment, float* out, float* scratch) const {
  const std::size_t width = kernels_.cepstra_width;
  float* bands = scratch;
  float* cepstra = bands + n_frames_ * kBands;
  float* modulated = cepstra + rounded_up(n_frames_ * width);
  float* moments = modulated + rounded_up(n_frames_ * kModulatedBands);
  float* covariance = moments + kMoments * kBands;
  float* fft_scratch = covariance + rounded_up(kCepstra * width);

  pool(fragment, n_frames_ * kBands, n_mels_ / kBands, bands);
  kernels_.moments(bands, n_frames_, kBands, moments);
  out = std::copy_n(moments, (kChange + 1) * kBands, out);
  for (std::size_t band = 0; band < kModulatedBands; ++band) {
    constexpr std::size_t pooled = kBands / kModulatedBands;
    float* series = modulated + band * n_frames_;
    float mean = 0;
    for (std::size_t i = 0; i < pooled; ++i) mean += moments[kMean * kBands + band * pooled + i];
    for (std::size_t t = 0; t < n_frames_; ++t) {
      const float* x = bands + t * kBands + band * pooled;
      series[t] = ((x[0] + x[1] + x[2] + x[3]) - mean) / pooled;
    }
  }
  kernels_.sort(bands, n_frames_, kBands);
  out = quantiles(bands, n_frames_, 0.1, out);
  out = quantiles(bands, n_frames_, 0.9, out);

  kernels_.project(fragment, n_frames_, n_mels_, basis_.data(), cepstra);
  kernels_.moments(cepstra, n_frames_, width, moments);
  for (const Moment moment : {kMean, kDeviation, kChangeDeviation})
    out = std::copy_n(moments + moment * width, kCepstra, out);
  kernels_.covariance(cepstra, n_frames_, moments, covariance);
  out = correlations(covariance, width, out);

  const std::size_t lanes = fft_.lanes();
  for (std::size_t first = 0; first < kModulatedBands; first += lanes) {
    const std::size_t count = std::min(lanes, kModulatedBands - first);
    const float* spectrum = fft_.magnitudes(modulated + first * n_frames_, n_frames_, count,
                                            taper_.data(), n_frames_ / 2 + 1, fft_scratch);
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t g = 0; g + 1 < rates_.size(); ++g) {
        float sum = 0;
        for (std::size_t k = rates_[g]; k < rates_[g + 1]; ++k) sum += spectrum[k * lanes + i];
        *out++ = std::log(kMinLevel + sum / static_cast<float>(rates_[g + 1] - rates_[g]));
      }
    }
  }
}

const FragmentKernels& fragment_kernels(const Kernels& kernels) {
#ifdef MELSPEC_DISPATCH
  if (&kernels == &avx512::kernels) return avx512::fragment_kernels;
  if (&kernels == &avx2::kernels) return avx2::fragment_kernels;
#endif
  return (void)kernels, baseline::fragment_kernels;
}

}  // namespace melspec
