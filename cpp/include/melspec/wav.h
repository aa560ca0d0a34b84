// Reading WAV files: RIFF and RF64, integer and floating-point samples, any number of channels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <istream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace melspec {

// The file is damaged, or of a kind that is not read here; the message does not name the file.
class WavError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct WavHeader {
  std::string container;     // "RIFF", "RF64" or "BW64"
  std::uint16_t format_tag;  // 1 PCM, 3 float, 0xFFFE extensible
  std::uint16_t sub_format;  // of an extensible file; else the same as format_tag
  std::uint16_t n_channels;
  std::uint32_t sr;           // Hz
  std::uint32_t byte_rate;    // as written, not used
  std::uint16_t block_align;  // bytes in a sample frame
  std::uint16_t bits_per_sample;
  std::uint16_t valid_bits;    // of an extensible file; else the same as bits_per_sample
  std::uint32_t channel_mask;  // of an extensible file; else 0
  std::uint64_t data_offset;   // first byte of the samples
  std::uint64_t data_size;     // bytes of samples that are there, whatever the header says
};

class WavReader {
 public:
  // Throw WavError.
  explicit WavReader(const std::string& path);
  explicit WavReader(std::unique_ptr<std::istream> file);  // one that can seek

  const WavHeader& header() const { return header_; }
  std::uint64_t n_frames() const { return header_.data_size / header_.block_align; }

  // The next sample frames, at most n, interleaved; full scale is [-1, 1). Throws WavError if the
  // file cannot be read.
  std::vector<float> read(std::uint64_t n);

  // The same, mixed down to one channel: see downmix_weights. Several channels of 8 or 16 bits give
  // multiples of 2^-15, the very samples of ffmpeg's mix.
  std::vector<float> read_mono(std::uint64_t n);

 private:
  std::unique_ptr<std::istream> file_;
  WavHeader header_;
  bool mixes_as_16_bits_;
  std::vector<float> mono_weights_;
  std::uint64_t position_ = 0;  // sample frames read
};

// Whether ffmpeg mixes this layout to mono; of any other it says that it cannot.
bool ffmpeg_mixes(std::size_t n_channels, std::uint32_t channel_mask);

// What each channel counts in a mix to mono; they sum to 1.
//
// channel_mask is that of WAVE_FORMAT_EXTENSIBLE; 0, or one that names another number of speakers,
// stands for the usual layout of that many channels. Where ffmpeg does not mix, all count the same.
std::vector<float> downmix_weights(std::size_t n_channels, std::uint32_t channel_mask);

}  // namespace melspec
