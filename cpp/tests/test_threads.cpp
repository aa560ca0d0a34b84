// Threads that share a plan, each with its own stream or scratch, get the bits of one thread.

#include <complex>
#include <cstdint>
#include <latch>
#include <span>
#include <thread>
#include <vector>

#include "check.h"
#include "melspec/fft.h"
#include "melspec/mel.h"
#include "melspec/stream.h"

namespace {

using namespace melspec;

constexpr std::size_t kThreads = 4;

MelParams params(std::int64_t frame, std::int64_t hop) {
  return {.frame_length = frame,
          .hop_length = hop,
          .fragment_length = 20 * hop,
          .n_frames = 20,
          .n_bins = frame / 2,
          .bin_hz = 1000.0 / static_cast<double>(frame),
          .fmin = 0,
          .fmax = 480,
          .n_mels = 19,
          .window = Window::hann,
          .mel = Mel::described,
          .compression = Compression::log,
          .reference = Reference::fragment,
          .range_db = 80};
}

std::vector<float> streamed(const MelSpectrogram& spectrogram, std::span<const float> y,
                            std::size_t block) {
  Stream stream(spectrogram);
  std::vector<float> fragments;
  for (; y.size() > block; y = y.subspan(block)) stream.push(y.first(block), fragments);
  stream.push(y, fragments);
  stream.finish(fragments);
  return fragments;
}

// Runs f(0), f(1) ... at the same time.
template <typename F>
void in_threads(F f) {
  std::latch start(kThreads);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kThreads; ++i)
    threads.emplace_back([&start, &f, i] {
      start.arrive_and_wait();
      f(i);
    });
  for (std::thread& thread : threads) thread.join();
}

void test_streams(const Kernels& kernels) {
  for (const MelParams& p : {params(100, 100), params(131, 40), params(128, 200)}) {
    const MelSpectrogram spectrogram(p, kernels);
    std::vector<std::vector<float>> signals, expected;
    for (unsigned i = 0; i < kThreads; ++i) {
      signals.push_back(noise(30000 + 777 * i, i));
      expected.push_back(spectrogram.transform(std::span<const float>(signals.back())));
      CHECK(!expected.back().empty());
    }
    std::vector<std::vector<float>> found(kThreads);
    in_threads([&](std::size_t i) { found[i] = streamed(spectrogram, signals[i], 300 + 401 * i); });
    CHECK(found == expected);
  }
}

void test_transforms(const Kernels& kernels) {
  for (const std::size_t n : {96, 105, 131, 262}) {
    const RealFft fft(n, kernels);
    const std::size_t count = 100;
    const std::vector<float> x = noise(n * count);
    const auto transform = [&] {
      std::vector<std::complex<float>> spectra(count * fft.n_bins());
      const Scratch scratch(fft.scratch_size());
      fft.transform(x.data(), count, spectra.data(), scratch.get());
      return spectra;
    };
    const std::vector<std::complex<float>> expected = transform();
    std::vector<std::vector<std::complex<float>>> found(kThreads);
    in_threads([&](std::size_t i) { found[i] = transform(); });
    for (const auto& spectra : found) CHECK(spectra == expected);
  }
}

// The first use of the list of kernels, and plans made at the same time.
void test_construction() {
  std::vector<std::vector<float>> found(kThreads);
  const std::vector<float> y = noise(5000);
  in_threads([&](std::size_t i) {
    found[i] = MelSpectrogram(params(101, 50)).transform(std::span<const float>(y));
  });
  for (const auto& fragments : found) CHECK(fragments == found[0] && !fragments.empty());
}

}  // namespace

int main() {
  test_construction();
  for (const Kernels* kernels : supported_kernels()) {
    test_streams(*kernels);
    test_transforms(*kernels);
  }
}
