// Bytes as a length and as frames: transforms against the definition, in double precision.

#include <cmath>
#include <complex>
#include <numbers>

#include "input.h"
#include "melspec/fft.h"

namespace {

using Spectrum = std::vector<std::complex<double>>;

Spectrum definition(std::span<const float> x) {
  const std::size_t n = x.size();
  Spectrum roots(n), spectrum(n / 2 + 1);
  for (std::size_t k = 0; k < n; ++k)
    roots[k] =
        std::polar(1.0, -2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(n));
  for (std::size_t k = 0; k < spectrum.size(); ++k)
    for (std::size_t t = 0; t < n; ++t) spectrum[k] += static_cast<double>(x[t]) * roots[t * k % n];
  return spectrum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const auto n = static_cast<std::size_t>(input.between(1, 150));
  const auto kernels = melspec::supported_kernels();
  const melspec::RealFft fft(n, *kernels[input.take<std::uint8_t>() % kernels.size()]);
  const auto count = static_cast<std::size_t>(input.between(1, 2 * 16 + 1));

  std::vector<float> x(n * count);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>(input.empty() ? static_cast<int>(i * i % 101) - 50
                                            : input.take<std::int16_t>());
  std::vector<std::complex<float>> found(count * fft.n_bins());
  const melspec::Scratch scratch(fft.scratch_size());
  fft.transform(x.data(), count, found.data(), scratch.get());

  for (const std::size_t row : {std::size_t{0}, count - 1}) {
    const std::span<const float> frame = std::span(x).subspan(row * n, n);
    const Spectrum expected = definition(frame);
    double error = 0, energy = 0;
    for (std::size_t k = 0; k < expected.size(); ++k) {
      error += std::norm(std::complex<double>(found[row * fft.n_bins() + k]) - expected[k]);
      energy += std::norm(expected[k]);
    }
    REQUIRE(std::sqrt(error) <= 3e-6 * std::sqrt(energy));

    std::vector<std::complex<float>> alone(fft.n_bins());
    fft.transform(frame.data(), 1, alone.data(), scratch.get());
    REQUIRE(std::equal(alone.begin(), alone.end(),
                       found.begin() + static_cast<std::ptrdiff_t>(row * fft.n_bins())));
  }
  return 0;
}
