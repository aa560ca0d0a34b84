// The tables of a transform, worked out once in double precision.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels.h"

namespace melspec {

// A column's transform with the tables that its kernels point into.
class ColumnPlan {
 public:
  explicit ColumnPlan(std::size_t n);
  // Vectors keep their contents in place when moved.
  ColumnPlan(ColumnPlan&&) = default;

  ColumnFft fft() const;

 private:
  void add_stage(std::size_t radix, std::size_t m, std::size_t s);
  void add_chirp();

  std::size_t n_, length_;
  std::vector<Stage> stages_;
  std::vector<std::vector<float>> tables_;
  std::vector<std::vector<std::int32_t>> orders_;
  std::vector<float> chirp_, response_;
};

// Both passes of a real transform of n samples.
class TransformPlan {
 public:
  TransformPlan(std::size_t n, std::size_t lanes);

  const Passes& passes() const { return passes_; }
  std::size_t scratch_size() const { return scratch_size_; }

 private:
  std::size_t rows_, columns_;
  ColumnPlan first_, second_;
  std::vector<float> twiddles_;
  Passes passes_;
  std::size_t scratch_size_;
};

}  // namespace melspec
