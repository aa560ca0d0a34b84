// Every kernel that this processor runs, against the definition of the transform.

#include <complex>
#include <cstdio>
#include <numbers>
#include <stdexcept>
#include <thread>
#include <vector>

#include "check.h"
#include "melspec/fft.h"

namespace {

using namespace melspec;

std::vector<std::complex<float>> transform(const RealFft& fft, const std::vector<float>& x) {
  const std::size_t count = x.size() / fft.n();
  std::vector<std::complex<float>> spectra(count * fft.n_bins());
  const Scratch scratch(fft.scratch_size());
  fft.transform(x.data(), count, spectra.data(), scratch.get());
  return spectra;
}

// Largest error of a bin over the spectrum's root mean square.
double error(const RealFft& fft, const std::vector<float>& x) {
  const std::size_t n = fft.n();
  std::vector<std::complex<long double>> roots(n);
  for (std::size_t k = 0; k < n; ++k)
    roots[k] = std::polar(1.0L, -2 * std::numbers::pi_v<long double> * static_cast<long double>(k) /
                                    static_cast<long double>(n));
  const std::vector<std::complex<float>> found = transform(fft, x);
  long double largest = 0, power = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const float* frame = x.data() + i / fft.n_bins() * n;
    const std::size_t k = i % fft.n_bins();
    std::complex<long double> expected = 0;
    for (std::size_t t = 0; t < n; ++t)
      expected += static_cast<long double>(frame[t]) * roots[t * k % n];
    largest = std::max(largest, std::abs(expected - std::complex<long double>(found[i])));
    power += std::norm(expected);
  }
  return static_cast<double>(largest / std::sqrt(power / static_cast<long double>(found.size())));
}

void test_accuracy(const Kernels& kernels) {
  double worst = 0;
  for (std::size_t n = 1; n <= 150; ++n)
    worst = std::max(worst, error(RealFft(n, kernels), noise(2 * n)));
  for (const std::size_t n : {199, 241, 251, 254, 262, 381, 393, 482, 502, 635, 1013, 1024})
    worst = std::max(worst, error(RealFft(n, kernels), noise(n)));
  std::printf("%s: largest error %.1e\n", kernel_name(kernels).c_str(), worst);
  CHECK(worst < 3e-6);  // measured 6.8e-7
}

// All kernels round differently, but no further apart than each from the truth.
void test_kernels_agree() {
  const Kernels& reference = *supported_kernels().back();
  for (const Kernels* kernels : supported_kernels()) {
    double worst = 0;
    for (const std::size_t n : {64, 512, 1009, 1024, 2048, 4096, 4410, 5512, 5513, 11025}) {
      const std::vector<float> x = noise(n);
      const auto expected = transform(RealFft(n, reference), x);
      const auto found = transform(RealFft(n, *kernels), x);
      double largest = 0, power = 0;
      for (std::size_t k = 0; k < found.size(); ++k) {
        largest = std::max<double>(largest, std::abs(found[k] - expected[k]));
        power += std::norm(expected[k]);
      }
      worst = std::max(worst, largest / std::sqrt(power / static_cast<double>(found.size())));
    }
    std::printf("%s: differs by %.1e\n", kernel_name(*kernels).c_str(), worst);
    CHECK(worst < 2e-6);  // measured 7.4e-7
  }
}

void test_frames_are_independent(const Kernels& kernels) {
  for (const std::size_t n : {12, 15, 137, 274, 502, 2048, 5512}) {
    const RealFft fft(n, kernels);
    const std::vector<float> x = noise(21 * n);
    const auto together = transform(fft, x);
    for (std::size_t i = 0; i < 21; ++i) {
      const auto start = x.begin() + static_cast<std::ptrdiff_t>(i * n);
      const auto alone = transform(fft, {start, start + static_cast<std::ptrdiff_t>(n)});
      for (std::size_t k = 0; k < fft.n_bins(); ++k)
        CHECK(alone[k] == together[i * fft.n_bins() + k]);
    }
  }
}

void test_threads_share_a_plan(const Kernels& kernels) {
  const RealFft fft(5512, kernels);
  const std::vector<float> x = noise(20 * 5512);
  const auto expected = transform(fft, x);
  std::vector<std::vector<std::complex<float>>> found(4);
  std::vector<std::thread> threads;
  for (auto& result : found) threads.emplace_back([&] { result = transform(fft, x); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : found) CHECK(result == expected);
}

void test_refusals() {
  for (const std::size_t n : {std::size_t{0}, (std::size_t{1} << 24) + 1}) {
    bool refused = false;
    try {
      const RealFft fft(n);
    } catch (const std::invalid_argument&) {
      refused = true;
    }
    CHECK(refused);
  }
}

}  // namespace

int main() {
  for (const Kernels* kernels : supported_kernels()) {
    test_accuracy(*kernels);
    test_frames_are_independent(*kernels);
    test_threads_share_a_plan(*kernels);
  }
  test_kernels_agree();
  test_refusals();
}
