#include <array>
#include <bit>
#include <numeric>

#include "melspec/wav.h"

namespace melspec {
namespace {

// Bits of a channel mask, in the order in which channels are stored.
enum Speaker : std::uint32_t {
  FL = 1u << 0,    // front left
  FR = 1u << 1,    // front right
  FC = 1u << 2,    // front centre
  LFE = 1u << 3,   // low frequencies
  BL = 1u << 4,    // back left
  BR = 1u << 5,    // back right
  FLC = 1u << 6,   // front left of centre
  FRC = 1u << 7,   // front right of centre
  BC = 1u << 8,    // back centre
  SL = 1u << 9,    // side left
  SR = 1u << 10,   // side right
  TFL = 1u << 12,  // top front left
  TFR = 1u << 14,  // top front right
  TBL = 1u << 15,  // top back left
  TBR = 1u << 17,  // top back right
  TSL = 1u << 18,  // top side left and right have no bit in a WAV file; here only for 16 channels
  TSR = 1u << 19,
};

// What ffmpeg takes for a file without a mask; 0: it does not know one.
constexpr std::array<std::uint32_t, 25> kUsualMask = {
    0,
    FC,
    FL | FR,
    FL | FR | LFE,
    FL | FR | FC | BC,
    FL | FR | FC | BL | BR,
    FL | FR | FC | LFE | BL | BR,
    FL | FR | FC | LFE | BC | SL | SR,
    FL | FR | FC | LFE | BL | BR | SL | SR,
    0,
    FL | FR | FC | LFE | BL | BR | TFL | TFR | TBL | TBR,
    0,
    FL | FR | FC | LFE | BL | BR | SL | SR | TFL | TFR | TBL | TBR,
    0,
    FL | FR | FC | LFE | BL | BR | FLC | FRC | SL | SR | TFL | TFR | TBL | TBR,
    0,
    FL | FR | FC | LFE | BL | BR | FLC | FRC | SL | SR | TFL | TFR | TBL | TBR | TSL | TSR,
    // clang-format off
    0, 0, 0, 0, 0, 0, 0,
    // clang-format on
    FL | FR | FC | LFE | BL | BR | FLC | FRC | BC,  // 22.2, the last 15 of which count nothing
};

// ffmpeg's weights before they are made to sum to 1, found by giving it files in which one channel
// after the other sounds: the front speakers and those above them count 3 dB less than the centre,
// those behind and at the sides 6 dB less, all others nothing.
float speaker_weight(std::uint32_t speaker) {
  if ((speaker & FC) != 0) return 1.0f;
  if ((speaker & (FL | FR | FLC | FRC | TFL | TFR)) != 0) return 0.70710678f;
  if ((speaker & (BL | BR | BC | SL | SR)) != 0) return 0.5f;
  return 0.0f;
}

// Layouts that ffmpeg mixes: with a speaker in front, and pairs complete.
bool is_known_layout(std::uint32_t mask) {
  for (const std::uint32_t pair : {FL | FR, BL | BR, FLC | FRC, SL | SR, TFL | TFR, TBL | TBR}) {
    const std::uint32_t present = mask & pair;
    if (present != 0 && present != pair) return false;
  }
  return (mask & (FL | FR | FC)) != 0;
}

std::uint32_t mask_or_usual(std::size_t n_channels, std::uint32_t mask) {
  if (static_cast<std::size_t>(std::popcount(mask)) == n_channels) return mask;
  return n_channels < kUsualMask.size() ? kUsualMask[n_channels] : 0;
}

}  // namespace

bool ffmpeg_mixes(std::size_t n_channels, std::uint32_t channel_mask) {
  return is_known_layout(mask_or_usual(n_channels, channel_mask));
}

std::vector<float> downmix_weights(std::size_t n_channels, std::uint32_t channel_mask) {
  channel_mask = mask_or_usual(n_channels, channel_mask);
  std::vector<float> weights(n_channels, 1.0f);
  if (is_known_layout(channel_mask)) {
    for (float& weight : weights) {
      const std::uint32_t speaker = channel_mask & -channel_mask;
      weight = speaker_weight(speaker);
      channel_mask ^= speaker;
    }
  }
  const float sum = std::accumulate(weights.begin(), weights.end(), 0.0f);
  for (float& weight : weights) weight /= sum;
  return weights;
}

}  // namespace melspec
