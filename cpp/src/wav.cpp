#include "melspec/wav.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

namespace melspec {
namespace {

constexpr std::uint16_t kPcm = 1, kFloat = 3, kExtensible = 0xFFFE;
constexpr std::uint32_t kUnknownSize = 0xFFFFFFFF;
constexpr std::size_t kBlock = std::size_t{1} << 16;  // bytes read at a time

using Bytes = std::span<const unsigned char>;

template <typename T>
T little_endian(Bytes bytes, std::size_t offset) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    value = static_cast<T>(value | static_cast<T>(static_cast<T>(bytes[offset + i]) << (8 * i)));
  return value;
}

std::string_view tag_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), 4}; }

std::uint64_t size_of(std::istream& file) {
  file.seekg(0, std::ios::end);
  const std::streamoff end = file.tellg();
  if (!file || end < 0) throw WavError("it cannot be read: its size is unknown");
  return static_cast<std::uint64_t>(end);
}

void read_at(std::istream& file, std::uint64_t offset, std::span<unsigned char> bytes) {
  file.clear();
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (static_cast<std::size_t>(file.gcount()) != bytes.size())
    throw WavError("it ended, or could not be read, at byte " + std::to_string(offset));
}

std::string format_name(std::uint16_t tag) {
  switch (tag) {
    case 2: return "2 (Microsoft ADPCM)";
    case 6: return "6 (A-law)";
    case 7: return "7 (mu-law)";
    case 17: return "17 (IMA ADPCM)";
    case 85: return "85 (MP3)";
    default: return std::to_string(tag);
  }
}

void parse_format(Bytes chunk, WavHeader& header) {
  if (chunk.size() < 16) throw WavError("its fmt chunk is shorter than 16 bytes");
  header.format_tag = header.sub_format = little_endian<std::uint16_t>(chunk, 0);
  header.n_channels = little_endian<std::uint16_t>(chunk, 2);
  header.sr = little_endian<std::uint32_t>(chunk, 4);
  header.byte_rate = little_endian<std::uint32_t>(chunk, 8);
  header.block_align = little_endian<std::uint16_t>(chunk, 12);
  header.bits_per_sample = header.valid_bits = little_endian<std::uint16_t>(chunk, 14);
  header.channel_mask = 0;
  if (header.format_tag == kExtensible) {
    if (chunk.size() < 40) throw WavError("its extensible fmt chunk is shorter than 40 bytes");
    header.valid_bits = little_endian<std::uint16_t>(chunk, 18);
    header.channel_mask = little_endian<std::uint32_t>(chunk, 20);
    header.sub_format = little_endian<std::uint16_t>(chunk, 24);
    // The rest of the identifiers that stand for a format tag.
    constexpr std::array<unsigned char, 14> kTail = {0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80,
                                                     0x00, 0x00, 0xAA, 0x00, 0x38, 0x9B, 0x71};
    if (!std::equal(kTail.begin(), kTail.end(), chunk.begin() + 26))
      throw WavError("its extensible sub-format is unknown: convert it with ffmpeg");
  }
}

// Bytes of one sample of one channel: the container, of which only the upper bits may be in use.
std::size_t bytes_per_sample(const WavHeader& header) {
  return header.block_align / header.n_channels;
}

void check(const WavHeader& header) {
  if (header.sub_format != kPcm && header.sub_format != kFloat)
    throw WavError("its format " + format_name(header.sub_format) +
                   " is neither PCM nor floating point: convert it with ffmpeg");
  if (header.n_channels == 0) throw WavError("its header says 0 channels");
  if (header.sr == 0) throw WavError("its header says 0 Hz");
  const std::size_t bytes = bytes_per_sample(header);
  const bool fits = header.block_align % header.n_channels == 0 && header.bits_per_sample > 0 &&
                    header.bits_per_sample <= 8 * bytes;
  const bool known = header.sub_format == kPcm
                         ? bytes >= 1 && bytes <= 4
                         : (bytes == 4 || bytes == 8) && header.bits_per_sample == 8 * bytes;
  if (!fits || !known)
    throw WavError("its header makes no sense, or is not read here: " +
                   std::to_string(header.bits_per_sample) + " bits, " +
                   std::to_string(header.n_channels) + " channels, " +
                   std::to_string(header.block_align) + " bytes a sample frame");
}

WavHeader parse(std::istream& file) {
  const std::uint64_t file_size = size_of(file);
  std::array<unsigned char, 40> buffer{};
  if (file_size < 12) throw WavError("it is too short to be a WAV file");
  read_at(file, 0, std::span(buffer).first(12));
  WavHeader header{};
  header.container = tag_of(Bytes(buffer).first(4));
  if (header.container == "RIFX") throw WavError("it is big-endian (RIFX): convert it with ffmpeg");
  if ((header.container != "RIFF" && header.container != "RF64" && header.container != "BW64") ||
      tag_of(Bytes(buffer).subspan(8, 4)) != "WAVE")
    throw WavError("it is not a WAV file");

  // Sizes are only ever used after comparing them with what is left of the file.
  bool has_format = false, has_data = false;
  std::uint64_t large_data_size = 0;  // of an RF64 file
  for (std::uint64_t at = 12; file_size - at >= 8 && !(has_format && has_data);) {
    read_at(file, at, std::span(buffer).first(8));
    const std::string tag(tag_of(Bytes(buffer).first(4)));
    const auto size_field = little_endian<std::uint32_t>(buffer, 4);
    at += 8;
    const std::uint64_t left = file_size - at;
    std::uint64_t size = size_field;
    if (tag == "data") {
      if (size_field == kUnknownSize && large_data_size > 0) size = large_data_size;
      // A streamed file does not know its size: 0, or all ones.
      if (size_field == 0 || size == kUnknownSize || size > left) size = left;
      if (!has_data) {
        header.data_offset = at;
        header.data_size = size;
      }
      has_data = true;
    } else if (tag == "fmt " || tag == "ds64") {
      const std::uint64_t n = std::min<std::uint64_t>({size, left, buffer.size()});
      const auto chunk = std::span(buffer).first(static_cast<std::size_t>(n));
      read_at(file, at, chunk);
      if (tag == "fmt " && !has_format) {
        parse_format(chunk, header);
        has_format = true;
      } else if (tag == "ds64" && n >= 16) {
        large_data_size = little_endian<std::uint64_t>(chunk, 8);
      }
    }
    if (size > left) break;
    at += std::min(size + size % 2, left);  // chunks are padded to even sizes
  }
  if (!has_format) throw WavError("it has no fmt chunk");
  if (!has_data) throw WavError("it has no data chunk");
  check(header);
  header.data_size -= header.data_size % header.block_align;
  return header;
}

// One sample; whole numbers are shifted to the top of 32 bits first, so that all sizes scale alike.
template <std::size_t kBytes, bool kIsFloat>
float sample(const unsigned char* x) {
  const Bytes bytes(x, kBytes);
  if constexpr (kIsFloat && kBytes == 4) {
    return std::bit_cast<float>(little_endian<std::uint32_t>(bytes, 0));
  } else if constexpr (kIsFloat) {
    return static_cast<float>(std::bit_cast<double>(little_endian<std::uint64_t>(bytes, 0)));
  } else {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < kBytes; ++i)
      value |= static_cast<std::uint32_t>(x[i]) << (8 * (4 - kBytes + i));
    if constexpr (kBytes == 1) value ^= 0x80000000u;  // 8-bit samples alone are unsigned
    return static_cast<float>(static_cast<std::int32_t>(value)) * 0x1p-31f;
  }
}

template <std::size_t kBytes, bool kIsFloat>
void decode_samples(const unsigned char* x, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = sample<kBytes, kIsFloat>(x + i * kBytes);
}

void decode(const WavHeader& header, const unsigned char* x, std::span<float> out) {
  const bool is_float = header.sub_format == kFloat;
  switch (bytes_per_sample(header)) {
    case 1: return decode_samples<1, false>(x, out);
    case 2: return decode_samples<2, false>(x, out);
    case 3: return decode_samples<3, false>(x, out);
    case 4: return is_float ? decode_samples<4, true>(x, out) : decode_samples<4, false>(x, out);
    default: return decode_samples<8, true>(x, out);
  }
}

float mix_as_floats(std::span<const float> weights, const float* x) {
  return std::inner_product(weights.begin(), weights.end(), x, 0.0f);
}

// ffmpeg mixes samples of up to 16 bits, and no others, as whole numbers; so does this, with the
// weights in units of 2^-15, so that the result is the same to the last bit. Where rounding makes
// them sum to more than 1 (3.0, 7.1), that includes a wrap around when all channels together are
// at full scale.
float mix_as_16_bits(std::span<const float> weights, const float* x) {
  std::int32_t sum = 1 << 14;  // to the nearest, halves up
  for (std::size_t c = 0; c < weights.size(); ++c)
    sum += static_cast<std::int32_t>(weights[c]) * static_cast<std::int32_t>(x[c] * 0x1p15f);
  return static_cast<float>(static_cast<std::int16_t>(sum >> 15)) * 0x1p-15f;
}

std::unique_ptr<std::istream> open(const std::string& path) {
  // Opening a named pipe would wait for somebody to write to it.
  std::error_code ignored;
  if (const auto status = std::filesystem::status(path, ignored);
      std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
    throw WavError("it cannot be read: not a regular file");
  auto file = std::make_unique<std::ifstream>(path, std::ios::binary);
  if (!*file) throw WavError(std::string("it cannot be opened: ") + std::strerror(errno));
  return file;
}

}  // namespace

WavReader::WavReader(const std::string& path) : WavReader(open(path)) {}

WavReader::WavReader(std::unique_ptr<std::istream> file)
    : file_(std::move(file)),
      header_(parse(*file_)),
      mixes_as_16_bits_(header_.n_channels > 1 && bytes_per_sample(header_) <= 2 &&
                        ffmpeg_mixes(header_.n_channels, header_.channel_mask)),
      mono_weights_(downmix_weights(header_.n_channels, header_.channel_mask)) {
  if (mixes_as_16_bits_)
    for (float& weight : mono_weights_) weight = std::nearbyint(weight * 0x1p15f);
}

std::vector<float> WavReader::read(std::uint64_t n) {
  const std::size_t count = static_cast<std::size_t>(std::min(n, n_frames() - position_));
  const std::size_t block = std::max<std::size_t>(1, kBlock / header_.block_align);
  std::vector<unsigned char> bytes(std::min(block, count) * header_.block_align);
  std::vector<float> out(count * header_.n_channels);
  for (std::size_t done = 0; done < count;) {
    const std::size_t now = std::min(block, count - done);
    const auto part = std::span(bytes).first(now * header_.block_align);
    read_at(*file_, header_.data_offset + position_ * header_.block_align, part);
    decode(header_, part.data(),
           std::span(out).subspan(done * header_.n_channels, now * header_.n_channels));
    done += now;
    position_ += now;
  }
  return out;
}

std::vector<float> WavReader::read_mono(std::uint64_t n) {
  std::vector<float> channels = read(n);
  const std::size_t n_channels = header_.n_channels;
  if (n_channels == 1) return channels;
  std::vector<float> mono(channels.size() / n_channels);
  const auto mix = mixes_as_16_bits_ ? mix_as_16_bits : mix_as_floats;
  for (std::size_t i = 0; i < mono.size(); ++i)
    mono[i] = mix(mono_weights_, channels.data() + i * n_channels);
  return mono;
}

}  // namespace melspec
