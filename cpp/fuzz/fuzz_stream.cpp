// Bytes as parameters, then as blocks of samples: in pieces as a whole, and always in [-1, 1].

#include <array>
#include <cmath>
#include <limits>

#include "input.h"
#include "melspec/mel.h"
#include "melspec/stream.h"

namespace {

using namespace melspec;

// Small enough for thousands of runs a second; a batch of frames is at most 16.
constexpr std::int64_t kMaxSamples = 250, kMaxFrames = 30;

MelParams draw_params(Input& input) {
  MelParams p{};
  p.frame_length = input.between(1, 32);
  p.hop_length = input.between(1, 50);
  p.fragment_length = input.between(1, 100);
  p.n_frames = input.between(1, 20);
  p.n_bins = input.between(1, p.frame_length / 2 + 1);
  p.n_mels = input.between(1, 5);
  p.bin_hz = static_cast<double>(input.between(1, 2000)) / 16;
  p.fmin = static_cast<double>(input.between(0, 999));
  p.fmax = p.fmin + static_cast<double>(input.between(1, 60000)) / 8;
  p.range_db = static_cast<double>(input.between(1, 2000)) / 10;
  const auto choices = input.take<std::uint8_t>();
  p.window = (choices & 1) != 0 ? Window::hann : Window::rectangular;
  p.mel = (choices & 2) != 0 ? Mel::listing : Mel::described;
  p.compression = (choices & 4) != 0 ? Compression::log : Compression::linear;
  p.reference = (choices & 8) != 0 ? Reference::absolute : Reference::fragment;
  return p;
}

// Constants, noise, or numbers as they come.
float draw_sample(Input& input, unsigned kind) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  constexpr std::array<float, 12> kSpecial = {
      0.0f,  -0.0f,  std::numeric_limits<float>::quiet_NaN(),  kInf, -kInf, 1e12f, -1.0001e12f,
      3e38f, 1e-40f, std::numeric_limits<float>::denorm_min(), 1.0f, 1e-20f};
  switch (kind % 3) {
    case 0: return kSpecial[input.take<std::uint8_t>() % kSpecial.size()];
    case 1: return static_cast<float>(input.take<std::int8_t>()) / 64;
    default: return input.take<float>();
  }
}

float clean(float x) { return std::abs(x) <= 1e12f ? x : 0.0f; }
float to_float(float x) { return x; }
float to_float(std::int16_t x) { return static_cast<float>(x) / 32768; }

template <typename T>
void push(Stream& stream, const std::vector<T>& block, std::vector<float>& parts,
          std::vector<float>& signal) {
  stream.push(std::span<const T>(block), parts);
  for (const T x : block) signal.push_back(to_float(x));
}

std::size_t expected_count(const MelParams& p, std::size_t n_samples) {
  const auto n = static_cast<std::int64_t>(n_samples);
  if (n < p.frame_length) return 0;
  const std::int64_t whole = std::min(n, n - p.frame_length + p.fragment_length);
  return static_cast<std::size_t>(std::max<std::int64_t>(1, whole / p.fragment_length));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const MelParams params = draw_params(input);
  const auto kernels = supported_kernels();
  const MelSpectrogram spectrogram(params, *kernels[input.take<std::uint8_t>() % kernels.size()]);

  const std::int64_t max_samples =
      std::min(kMaxSamples, kMaxFrames * params.fragment_length / params.n_frames);

  Stream stream(spectrogram);
  std::vector<float> parts, signal;
  while (!input.empty() && stream.n_samples() < max_samples) {
    const auto kind = input.take<std::uint8_t>();
    // A block's samples repeat, so that few bytes make a long one.
    std::vector<float> drawn(static_cast<std::size_t>(input.between(1, 8)));
    for (float& x : drawn) x = draw_sample(input, kind);
    const auto n = static_cast<std::size_t>(input.between(0, 80));
    if (kind >= 128) {
      std::vector<std::int16_t> block(n);
      for (std::size_t i = 0; i < n; ++i) {
        const float x = clean(drawn[i % drawn.size()]);
        block[i] = static_cast<std::int16_t>(std::clamp(x * 512, -32768.0f, 32767.0f));
      }
      push(stream, block, parts, signal);
    } else {
      std::vector<float> block(n);
      for (std::size_t i = 0; i < n; ++i) block[i] = drawn[i % drawn.size()];
      push(stream, block, parts, signal);
    }
    REQUIRE(stream.n_samples() == static_cast<std::int64_t>(signal.size()));
  }
  stream.finish(parts);

  REQUIRE(parts.size() == expected_count(params, signal.size()) * spectrogram.fragment_size());
  for (const float x : parts) REQUIRE(x >= -1 && x <= 1);
  REQUIRE(same_bits(spectrogram.transform(std::span<const float>(signal)), parts));
  const std::vector<float> as_it_came = signal;
  for (float& x : signal) x = clean(x);
  if (same_bits(signal, as_it_came)) return 0;
  REQUIRE(same_bits(spectrogram.transform(std::span<const float>(signal)), parts));
  return 0;
}
