// Any bytes as a WAV file: refused by a WavError, or read the same way whole and in pieces.

#include <cmath>
#include <memory>
#include <sstream>
#include <string>

#include "input.h"
#include "melspec/wav.h"

namespace {

using melspec::WavError;
using melspec::WavHeader;
using melspec::WavReader;

using Read = std::vector<float> (WavReader::*)(std::uint64_t);

std::vector<float> read_all(const std::string& content, Read read, bool in_pieces) {
  WavReader reader(std::make_unique<std::istringstream>(content));
  if (!in_pieces) return (reader.*read)(~std::uint64_t{0});
  std::vector<float> all;
  for (std::uint64_t n = 1;; n = n * 3 % 1021) {
    const std::vector<float> piece = (reader.*read)(n);
    if (piece.empty()) return all;
    all.insert(all.end(), piece.begin(), piece.end());
  }
}

void check_header(const WavHeader& h, std::size_t file_size) {
  REQUIRE(h.n_channels > 0 && h.sr > 0 && h.block_align > 0);
  REQUIRE(h.block_align % h.n_channels == 0 && h.data_size % h.block_align == 0);
  REQUIRE(h.data_offset <= file_size && h.data_size <= file_size - h.data_offset);
  REQUIRE(h.bits_per_sample > 0 && h.bits_per_sample <= 64);
}

void check(const std::string& content) {
  const WavReader reader(std::make_unique<std::istringstream>(content));
  const WavHeader& h = reader.header();
  check_header(h, content.size());
  const std::size_t n_channels = h.n_channels;
  const std::vector<float> channels = read_all(content, &WavReader::read, false);
  const std::vector<float> mono = read_all(content, &WavReader::read_mono, false);
  REQUIRE(channels.size() == reader.n_frames() * n_channels);
  REQUIRE(mono.size() == reader.n_frames());
  REQUIRE(same_bits(read_all(content, &WavReader::read, true), channels));
  REQUIRE(same_bits(read_all(content, &WavReader::read_mono, true), mono));
  if (n_channels == 1) REQUIRE(same_bits(channels, mono));

  if (h.sub_format != 1) return;  // floating-point samples may be anything
  // Rounding apart, a mix is no louder than its loudest channel; one of 16 bits may wrap around.
  const bool wraps = h.block_align / n_channels <= 2;
  for (std::size_t i = 0; i < mono.size(); ++i) {
    float loudest = 0;
    for (std::size_t c = 0; c < n_channels; ++c) {
      const float x = channels[i * n_channels + c];
      REQUIRE(x >= -1 && x <= 1);
      loudest = std::max(loudest, std::abs(x));
    }
    REQUIRE(std::abs(mono[i]) <= (wraps ? 1.0f : loudest * 1.01f));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    check(std::string(reinterpret_cast<const char*>(data), size));
  } catch (const WavError&) {  // the only way to refuse a file
  }
  return 0;
}
