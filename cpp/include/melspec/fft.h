// Fourier transforms of real signals of any length, many frames at a time, in single precision.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace melspec {

struct Kernels;
class TransformPlan;

// Kernels that this processor can run, the fastest first.
std::span<const Kernels* const> supported_kernels();
std::string kernel_name(const Kernels& kernels);

// A buffer of floats, aligned to 64 bytes, its contents undefined.
class Scratch {
 public:
  explicit Scratch(std::size_t size);
  float* get() const { return buffer_.get(); }

 private:
  struct Free {
    void operator()(float* p) const;
  };
  std::unique_ptr<float, Free> buffer_;
};

// Planned once; afterwards constant, so that any number of threads may use it, each with its own
// scratch. A frame's result does not depend on the other frames of its batch.
class RealFft {
 public:
  // Throws std::invalid_argument unless 1 <= n <= 2^24.
  explicit RealFft(std::size_t n, const Kernels& kernels = *supported_kernels().front());
  ~RealFft();
  RealFft(RealFft&&) noexcept;

  std::size_t n() const { return n_; }
  std::size_t n_bins() const { return n_ / 2 + 1; }
  std::size_t lanes() const;         // frames that are worked on together
  std::size_t scratch_size() const;  // floats

  // Spectra of `count` rows of n samples: rows of n_bins.
  void transform(const float* x, std::size_t count, std::complex<float>* out, float* scratch) const;

  // Magnitudes of the first n_bins bins of up to `lanes` frames, frame i at x + i * stride:
  // [n_bins][lanes], in scratch. Samples that are not finite, or beyond 1e12, count as 0; 16-bit
  // samples are scaled by 1/32768; the window may be null.
  template <typename T>
  const float* magnitudes(const T* x, std::size_t stride, std::size_t count, const float* window,
                          std::size_t n_bins, float* scratch) const;

  const Kernels& kernels() const { return *kernels_; }

 private:
  std::size_t n_;
  const Kernels* kernels_;
  std::unique_ptr<const TransformPlan> plan_;
};

}  // namespace melspec
