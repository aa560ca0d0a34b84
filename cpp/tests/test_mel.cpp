// Streams against whole signals, and every kernel against the baseline's.

#include <cstdint>
#include <cstdio>
#include <random>
#include <span>
#include <stdexcept>
#include <vector>

#include "check.h"
#include "melspec/mel.h"
#include "melspec/stream.h"

namespace {

using namespace melspec;

MelParams params(std::int64_t frame, std::int64_t hop, std::int64_t fragment) {
  return {.frame_length = frame,
          .hop_length = hop,
          .fragment_length = fragment,
          .n_frames = 20,
          .n_bins = frame / 2,
          .bin_hz = 1000.0 / static_cast<double>(frame),
          .fmin = 0,
          .fmax = 480,
          .n_mels = 19,
          .window = Window::hann,
          .mel = Mel::described,
          .compression = Compression::linear,
          .reference = Reference::fragment,
          .range_db = 80};
}

const std::vector<MelParams> kParams = {
    params(100, 100, 2000),  // frames side by side
    params(101, 101, 2030),  // an odd length, samples left over
    params(128, 32, 640),    // frames overlap
    params(50, 80, 1600),    // gaps between frames
    params(100, 50, 300),    // fragments overlap
    params(500, 10, 200),    // a frame is longer than a fragment
    params(100, 100, 9000),  // gaps between fragments
};

template <typename T>
void test_blocks(const MelSpectrogram& spectrogram, const std::vector<T>& y) {
  const std::vector<float> whole = spectrogram.transform(std::span<const T>(y));
  CHECK(whole.size() % spectrogram.fragment_size() == 0);
  for (const float v : whole) CHECK(v >= -1 && v <= 1);
  std::mt19937 random(1);
  for (const std::size_t longest : {1, 7, 90, 1500, 100000}) {
    Stream stream(spectrogram);
    std::vector<float> parts;
    std::span<const T> left(y);
    while (!left.empty()) {
      const std::size_t n = std::min<std::size_t>(random() % (longest + 1), left.size());
      stream.push(left.first(n), parts);
      left = left.subspan(n);
    }
    stream.finish(parts);
    CHECK(stream.n_samples() == static_cast<std::int64_t>(y.size()));
    CHECK(parts == whole);
  }
}

void test_streams(const Kernels& kernels) {
  for (const MelParams& p : kParams) {
    const MelSpectrogram spectrogram(p, kernels);
    for (const std::size_t n : {0, 1, 49, 99, 100, 101, 1999, 2000, 2001, 12345}) {
      const std::vector<float> y = noise(n, static_cast<unsigned>(n));
      std::vector<std::int16_t> whole_numbers;
      for (const float v : y) whole_numbers.push_back(static_cast<std::int16_t>(5000 * v));
      test_blocks(spectrogram, y);
      test_blocks(spectrogram, whole_numbers);
    }
  }
}

void test_kernels_agree(const Kernels& kernels) {
  const Kernels& baseline = *supported_kernels().back();
  const std::vector<float> y = noise(20000);
  float largest = 0;
  for (const MelParams& p : kParams) {
    const auto found = MelSpectrogram(p, kernels).transform(std::span<const float>(y));
    const auto expected = MelSpectrogram(p, baseline).transform(std::span<const float>(y));
    CHECK(found.size() == expected.size() && !found.empty());
    for (std::size_t i = 0; i < found.size(); ++i)
      largest = std::max(largest, std::abs(found[i] - expected[i]));
  }
  std::printf("%s: largest difference from the baseline %.1e\n", kernel_name(kernels).c_str(),
              static_cast<double>(largest));
  CHECK(largest < 2e-6f);  // measured 7.2e-7
}

void test_refusals() {
  MelParams p = kParams.front();
  p.n_bins = 52;
  bool refused = false;
  try {
    const MelSpectrogram spectrogram(p);
  } catch (const std::invalid_argument&) {
    refused = true;
  }
  CHECK(refused);

  const MelSpectrogram spectrogram(kParams.front());
  Stream stream(spectrogram);
  std::vector<float> out;
  stream.finish(out);
  CHECK(out.empty());
  refused = false;
  try {
    stream.push(std::span<const float>(), out);
  } catch (const std::logic_error&) {
    refused = true;
  }
  CHECK(refused);
}

}  // namespace

int main() {
  for (const Kernels* kernels : supported_kernels()) {
    test_streams(*kernels);
    test_kernels_agree(*kernels);
  }
  test_refusals();
}
