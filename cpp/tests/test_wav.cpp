// Files made of crafted bytes, whole, cut short and damaged.

#include <cstdint>
#include <cstdio>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "check.h"
#include "melspec/wav.h"

namespace {

using namespace melspec;

std::string little_endian(std::uint64_t value, int size) {
  std::string bytes;
  for (int i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xFF);
  return bytes;
}

std::string chunk(const std::string& tag, const std::string& body) {
  return tag + little_endian(body.size(), 4) + body + std::string(body.size() % 2, '\0');
}

std::string format(unsigned channels, unsigned bits) {
  const unsigned align = channels * bits / 8;
  return little_endian(1, 2) + little_endian(channels, 2) + little_endian(8000, 4) +
         little_endian(8000 * align, 4) + little_endian(align, 2) + little_endian(bits, 2);
}

std::string riff(const std::string& chunks) { return chunk("RIFF", "WAVE" + chunks); }

WavReader reader_of(const std::string& content) {
  return WavReader(std::make_unique<std::istringstream>(content));
}

const std::string kStereo =
    riff(chunk("JUNK", "odd") + chunk("fmt ", format(2, 16)) +
         chunk("data", little_endian(0x4000, 2) + little_endian(0xC000, 2) +
                           little_endian(0x7FFF, 2) + little_endian(0x8000, 2)));

void test_samples() {
  WavReader reader = reader_of(kStereo);
  CHECK(reader.n_frames() == 2);
  CHECK(reader.header().sr == 8000 && reader.header().n_channels == 2);
  CHECK((reader.read(1) == std::vector<float>{0.5f, -0.5f}));
  CHECK((reader.read_mono(9) == std::vector<float>{0}));  // -0.5 steps: halves go up
  CHECK(reader.read(9).empty());
}

void test_24_bits() {
  WavReader reader =
      reader_of(riff(chunk("fmt ", format(1, 24)) +
                     chunk("data", little_endian(0x800000, 3) + little_endian(1, 3))));
  CHECK((reader.read(9) == std::vector<float>{-1.0f, 0x1p-23f}));
}

// Reads whatever the bytes are, or throws WavError; anything else is a defect.
bool reads(const std::string& content) {
  try {
    WavReader reader = reader_of(content);
    const std::vector<float> all = reader.read(1 << 20);
    CHECK(all.size() == reader.n_frames() * reader.header().n_channels);
    return true;
  } catch (const WavError&) {
    return false;
  }
}

void test_cut_short() {
  for (std::size_t n = 0; n <= kStereo.size(); ++n)
    CHECK(reads(kStereo.substr(0, n)) == (n >= kStereo.size() - 8));
}

void test_damaged() {
  std::mt19937 random(0);
  int n_read = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string content = kStereo;
    for (int j = 0; j < 1 + i % 4; ++j)
      content[random() % content.size()] = static_cast<char>(random() % 256);
    n_read += reads(content);
  }
  CHECK(n_read > 0 && n_read < 3000);
}

void test_downmix() {
  CHECK((downmix_weights(1, 0) == std::vector<float>{1}));
  CHECK((downmix_weights(2, 0) == std::vector<float>{0.5f, 0.5f}));
  const std::vector<float> surround = downmix_weights(6, 0x3F);
  CHECK(surround[3] == 0 && surround[2] == 2 * surround[4] && surround[0] == surround[1]);
  CHECK(ffmpeg_mixes(6, 0) && !ffmpeg_mixes(9, 0) && !ffmpeg_mixes(2, 5));
  for (std::size_t n = 1; n < 40; ++n) {
    float sum = 0;
    for (const float weight : downmix_weights(n, 0x60F)) sum += weight;
    CHECK(std::abs(sum - 1) < 1e-5f);
  }
}

}  // namespace

int main() {
  test_samples();
  test_24_bits();
  test_cut_short();
  test_damaged();
  test_downmix();
}
