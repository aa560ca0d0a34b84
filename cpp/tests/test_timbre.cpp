// Statistics of fragments that are known beforehand; one pass against two; every kernel against
// the baseline's.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <numbers>
#include <random>
#include <span>
#include <stdexcept>
#include <vector>

#include "check.h"
#include "fragment_kernels.h"
#include "melspec/extractor.h"
#include "melspec/parallel.h"
#include "melspec/timbre.h"

namespace {

using namespace melspec;

constexpr std::size_t kDeviations = 32, kChanges = 64, kTenth = 96, kNinetieth = 128,
                      kCepstraMeans = 160, kCorrelations = 220, kModulation = 410;

std::vector<float> statistics(const Timbre& timbre, const std::vector<float>& fragment) {
  CHECK(fragment.size() == timbre.n_frames() * timbre.n_mels());
  std::vector<float> out(timbre.n_statistics());
  const Scratch scratch(timbre.scratch_size());
  timbre.statistics(fragment.data(), out.data(), scratch.get());
  return out;
}

bool near(float found, double expected, double tolerance) {
  return std::abs(static_cast<double>(found) - expected) <= tolerance;
}

// Every band of frame t has the value of step t, in an order that is not that of the values.
void test_known_answers(const Kernels& kernels) {
  constexpr std::size_t n_frames = 41, n_mels = 64;
  const Timbre timbre(n_frames, n_mels, 5, kernels);
  CHECK(timbre.n_statistics() == 410 + 8 * 5);
  std::vector<float> fragment;
  for (std::size_t t = 0; t < n_frames; ++t)
    fragment.insert(fragment.end(), n_mels, static_cast<float>(t * 7 % 41) / 40);
  const std::vector<float> found = statistics(timbre, fragment);
  for (std::size_t b = 0; b < 32; ++b) {
    CHECK(near(found[b], 0.5, 1e-6));
    CHECK(near(found[kDeviations + b], std::sqrt((41 * 41 - 1) / 12.0) / 40, 1e-6));
    CHECK(near(found[kTenth + b], 0.1, 1e-6));
    CHECK(near(found[kNinetieth + b], 0.9, 1e-6));
  }
  double change = 0;
  for (int t = 0; t + 1 < 41; ++t) change += std::abs((t + 1) * 7 % 41 - t * 7 % 41) / 40.0 / 40;
  CHECK(near(found[kChanges], change, 1e-6));
  // Only the first cepstrum moves.
  CHECK(near(found[kCepstraMeans], 0.5 * std::sqrt(64.0), 1e-5));
  for (std::size_t i = 1; i < 20; ++i) CHECK(near(found[kCepstraMeans + i], 0, 1e-5));
  for (std::size_t i = 0; i < 190; ++i) CHECK(near(found[kCorrelations + i], 0, 1e-2));
}

void test_silence(const Kernels& kernels) {
  const Timbre timbre(344, 128, 8, kernels);
  const std::vector<float> found = statistics(timbre, std::vector<float>(344 * 128, -1.0f));
  for (std::size_t b = 0; b < 32; ++b) {
    CHECK(found[b] == -1 && found[kTenth + b] == -1 && found[kNinetieth + b] == -1);
    CHECK(found[kDeviations + b] == 0 && found[kChanges + b] == 0);
  }
  for (std::size_t i = 0; i < 64; ++i) CHECK(near(found[kModulation + i], std::log(0.01), 1e-5));
}

void test_kernels_agree(const Kernels& kernels) {
  float largest = 0;
  for (const std::size_t n_frames : {16, 17, 64, 100, 344}) {
    const Timbre timbre(n_frames, 128, 8, kernels);
    const Timbre baseline(n_frames, 128, 8, *supported_kernels().back());
    std::vector<float> fragment = noise(n_frames * 128);
    for (float& v : fragment) v = std::clamp(v / 3, -1.0f, 1.0f);
    const auto found = statistics(timbre, fragment), expected = statistics(baseline, fragment);
    for (std::size_t i = 0; i < found.size(); ++i)
      largest = std::max(largest, std::abs(found[i] - expected[i]));
  }
  std::printf("%s: largest difference of statistics from the baseline's %.1e\n",
              kernel_name(kernels).c_str(), static_cast<double>(largest));
  CHECK(largest < 3e-6f);  // measured 7.2e-7
}

// Of [-1, 1], for any range of energies and at any place in a register.
void test_decibels(const Kernels& kernels) {
  double largest = 0;
  for (const float range_db : {20.0f, 80.0f}) {
    for (const std::size_t n : {1, 15, 16, 100003}) {
      std::vector<float> x(n);
      for (std::size_t i = 0; i < n; ++i)
        x[i] = 3.0f * std::pow(10.0f, -static_cast<float>(i) / static_cast<float>(n) * 5);
      std::vector<float> found = x;
      std::swap(found.front(), found[n / 3]);
      CHECK(fragment_kernels(kernels).largest(found.data(), n) == 3);
      std::swap(found.front(), found[n / 3]);
      fragment_kernels(kernels).decibels(found.data(), n, 3.0f, range_db);
      CHECK(found[0] == 1);
      for (std::size_t i = 0; i < n; ++i) {
        const double db = 20 * std::log10(static_cast<double>(x[i]) / 3);
        const double expected = std::max(1 + 2 * db / static_cast<double>(range_db), -1.0);
        CHECK(found[i] >= -1 && found[i] <= 1);
        largest = std::max(largest, std::abs(static_cast<double>(found[i]) - expected));
      }
    }
  }
  std::printf("%s: largest error of decibels %.1e\n", kernel_name(kernels).c_str(), largest);
  CHECK(largest < 1e-6);  // measured 2.6e-7
  std::vector<float> zero = {0, 1e-38f, 1e30f};
  fragment_kernels(kernels).decibels(zero.data(), 3, 1, 80);
  CHECK(zero[0] == -1 && zero[1] == -1 && zero[2] == 1);
}

std::shared_ptr<const MelSpectrogram> spectrogram(std::int64_t frame, std::int64_t hop,
                                                  std::int64_t n_frames, std::int64_t fragment) {
  return std::make_shared<const MelSpectrogram>(
      MelParams{.frame_length = frame,
                .hop_length = hop,
                .fragment_length = fragment,
                .n_frames = n_frames,
                .n_bins = frame / 2,
                .bin_hz = 1000.0 / static_cast<double>(frame),
                .fmin = 0,
                .fmax = 480,
                .n_mels = 32,
                .window = Window::hann,
                .mel = Mel::described,
                .compression = Compression::log,
                .reference = Reference::fragment,
                .range_db = 80});
}

void test_one_pass_equals_two() {
  const auto coarse = spectrogram(100, 100, 16, 1610);
  const auto fine = spectrogram(50, 25, 64, 1610);  // its last frame reaches into the next fragment
  for (const auto& finer : {fine, std::shared_ptr<const MelSpectrogram>()}) {
    const Extractor extractor(coarse, finer, 4);
    for (const std::size_t n : {0, 60, 99, 100, 1609, 1610, 1630, 3220, 9999}) {
      const std::vector<float> y = noise(n, static_cast<unsigned>(n));
      const Extract whole = extractor.transform(std::span<const float>(y));
      CHECK(whole.fragments == coarse->transform(std::span<const float>(y)));
      const std::vector<float> described =
          (finer ? finer : coarse)->transform(std::span<const float>(y));
      const std::size_t size = (finer ? finer : coarse)->fragment_size();
      std::vector<float> expected;
      for (std::size_t i = 0; i < whole.fragments.size() / coarse->fragment_size(); ++i) {
        const auto first = described.begin() + static_cast<std::ptrdiff_t>(i * size);
        const std::vector<float> one(first, first + static_cast<std::ptrdiff_t>(size));
        const std::vector<float> of_one = statistics(extractor.timbre(), one);
        expected.insert(expected.end(), of_one.begin(), of_one.end());
      }
      CHECK(whole.statistics == expected);

      std::mt19937 random(1);
      ExtractorStream stream(extractor);
      Extract parts;
      for (std::span<const float> left(y); !left.empty();) {
        const std::size_t count = std::min<std::size_t>(random() % 900, left.size());
        stream.push(left.first(count), parts);
        left = left.subspan(count);
        CHECK(parts.fragments.size() / coarse->fragment_size() ==
              parts.statistics.size() / extractor.timbre().n_statistics());
      }
      stream.finish(parts);
      CHECK(parts.fragments == whole.fragments && parts.statistics == whole.statistics);
    }
  }
}

void test_threads_share_an_extractor() {
  const Extractor extractor(spectrogram(100, 100, 16, 1600), spectrogram(50, 25, 64, 1600), 4);
  std::vector<std::vector<float>> signals;
  for (unsigned i = 0; i < 12; ++i) signals.push_back(noise(500 * i, i));
  std::vector<Extract> found(signals.size());
  parallel_for(signals.size(), 4, [&](std::size_t i) {
    found[i] = extractor.transform(std::span<const float>(signals[i]));
  });
  for (std::size_t i = 0; i < signals.size(); ++i) {
    const Extract alone = extractor.transform(std::span<const float>(signals[i]));
    CHECK(found[i].fragments == alone.fragments && found[i].statistics == alone.statistics);
  }
}

template <typename F>
bool refuses(F f) {
  try {
    f();
  } catch (const std::invalid_argument&) {
    return true;
  }
  return false;
}

void test_refusals() {
  CHECK(refuses([] { Timbre(64, 40, 8); }));
  CHECK(refuses([] { Timbre(64, 0, 8); }));
  CHECK(refuses([] { Timbre(15, 128, 8); }));
  CHECK(refuses([] { Timbre(64, 128, 0); }));
  CHECK(refuses([] { Timbre(std::size_t{1} << 20, 128, 8); }));
  const auto coarse = spectrogram(100, 100, 16, 1600);
  CHECK(refuses([&] { Extractor(coarse, spectrogram(50, 25, 64, 1610), 4); }));
  CHECK(refuses([&] { Extractor(coarse, spectrogram(101, 25, 64, 1600), 4); }));
}

void test_parallel_for() {
  for (const std::size_t n_threads : {0, 1, 2, 5}) {
    std::vector<int> calls(100, 0);
    parallel_for(calls.size(), n_threads, [&](std::size_t i) { ++calls[i]; });
    for (const int count : calls) CHECK(count == 1);
    CHECK(refuses([&] {
      parallel_for(9, n_threads, [](std::size_t i) {
        if (i == 5) throw std::invalid_argument("5");
      });
    }));
  }
}

}  // namespace

int main() {
  for (const Kernels* kernels : supported_kernels()) {
    test_known_answers(*kernels);
    test_silence(*kernels);
    test_kernels_agree(*kernels);
    test_decibels(*kernels);
  }
  test_one_pass_equals_two();
  test_threads_share_an_extractor();
  test_refusals();
  test_parallel_for();
}
