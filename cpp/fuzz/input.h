// What the harnesses share: a way to draw parameters from bytes, and a check that stops them.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

// Unlike assert, in every kind of build; a fuzzer takes the abort for a finding.
#define REQUIRE(condition)                                                 \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                        \
    }                                                                      \
  } while (false)

// Bytes, one after the other; after the last there are zeros.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : left_(data, size) {}

  bool empty() const { return left_.empty(); }

  template <typename T>
  T take() {
    std::array<std::uint8_t, sizeof(T)> bytes{};
    const auto taken = left_.first(std::min(sizeof(T), left_.size()));
    std::copy(taken.begin(), taken.end(), bytes.begin());
    left_ = left_.subspan(taken.size());
    return std::bit_cast<T>(bytes);
  }

  // A whole number in low ... high, from two bytes.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + take<std::uint16_t>() % (high - low + 1);
  }

 private:
  std::span<const std::uint8_t> left_;
};

// The same bits; NaN is equal to itself.
inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}
