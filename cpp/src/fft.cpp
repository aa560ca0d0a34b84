#include "melspec/fft.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <numbers>
#include <optional>
#include <stdexcept>
#include <type_traits>

#include "kernels.h"

namespace melspec {
namespace {

constexpr std::size_t kMaxLength = std::size_t{1} << 24;
// A prime factor above this goes through Bluestein's convolution; kernels.cpp has room for 128.
constexpr std::size_t kMaxPrime = 127;

using Point = std::complex<double>;

// exp(-2 pi i k / n); the angle is reduced first, so that it keeps its precision for any k.
Point root(std::size_t k, std::size_t n) {
  const long double angle = 2 * std::numbers::pi_v<long double> * static_cast<long double>(k % n) /
                            static_cast<long double>(n);
  return {static_cast<double>(std::cos(angle)), static_cast<double>(-std::sin(angle))};
}

void append(std::vector<float>& table, const Point& w) {
  table.push_back(static_cast<float>(w.real()));
  table.push_back(static_cast<float>(w.imag()));
}

// Radices of n, small ones first; what cannot be divided further is left as one large prime.
std::vector<std::size_t> factorise(std::size_t n) {
  std::vector<std::size_t> radices;
  for (const std::size_t r : {std::size_t{4}, std::size_t{2}}) {
    for (; n % r == 0; n /= r) radices.push_back(r);
  }
  for (std::size_t r = 3; n > 1; r += 2) {
    if (r * r > n) r = n;
    for (; n % r == 0; n /= r) radices.push_back(r);
  }
  return radices;
}

std::size_t largest_factor(std::size_t n) {
  std::size_t largest = 1;
  for (const std::size_t r : factorise(n)) largest = std::max(largest, r);
  return largest;
}

// A transform in double precision for planning: n must have small factors.
std::vector<Point> dft(const std::vector<Point>& x) {
  const std::size_t n = x.size();
  if (n == 1) return x;
  const std::size_t r = factorise(n).back(), m = n / r;
  std::vector<std::vector<Point>> parts;
  for (std::size_t j = 0; j < r; ++j) {
    std::vector<Point> part(m);
    for (std::size_t t = 0; t < m; ++t) part[t] = x[t * r + j];
    parts.push_back(dft(part));
  }
  std::vector<Point> y(n);
  for (std::size_t k = 0; k < n; ++k)
    for (std::size_t j = 0; j < r; ++j) y[k] += parts[j][k % m] * root(j * k, n);
  return y;
}

// The passes of a complex transform of n points, n with small factors only; or of `count` such
// transforms, point by point side by side.
class Stages {
 public:
  explicit Stages(std::size_t n, std::size_t count = 1) {
    std::size_t s = count;
    for (const std::size_t r : factorise(n)) {
      add(r, n / r, s, r > 5);
      n /= r;
      s *= r;
    }
  }
  // Stages point into the tables, which stay where they are when moved.
  Stages(Stages&&) = default;

  void add(std::size_t r, std::size_t m, std::size_t s, bool with_roots) {
    std::vector<float> twiddles, roots;
    for (std::size_t p = 0; p < m && m > 1; ++p)
      for (std::size_t k = 1; k < r; ++k) append(twiddles, root(p * k, r * m));
    for (std::size_t k = 1; k <= r / 2 && with_roots; ++k)
      for (std::size_t j = 1; j <= r / 2; ++j) append(roots, std::conj(root(j * k, r)));
    stages_.push_back({r, m, s, twiddles.data(), roots.data()});
    tables_.push_back(std::move(twiddles));
    tables_.push_back(std::move(roots));
  }

  const Stage& front() const { return stages_.front(); }

  float* run(const Kernels& kernels, float* x, float* y) const {
    return kernels.fft(stages_.data(), stages_.size(), x, y);
  }

 private:
  std::vector<std::vector<float>> tables_;
  std::vector<Stage> stages_;
};

// Bluestein: a transform of any length n as a circular convolution of a good length with a chirp.
struct Chirp {
  std::vector<float> forward;   // [n] exp(-pi i t^2 / n)
  std::vector<float> backward;  // its conjugate
  std::vector<float> response;  // [length] spectrum of the convolution's kernel, over length
};

Chirp make_chirp(std::size_t n, std::size_t length) {
  Chirp chirp;
  std::vector<Point> kernel(length);
  for (std::size_t t = 0; t < n; ++t) {
    const Point w = root(t * t, 2 * n);
    append(chirp.forward, w);
    append(chirp.backward, std::conj(w));
    kernel[t] = std::conj(w);
    kernel[(length - t) % length] = std::conj(w);
  }
  for (const Point& v : dft(kernel)) append(chirp.response, v / static_cast<double>(length));
  return chirp;
}

std::size_t convolution_length(std::size_t n) {
  std::size_t length = 2 * n - 1;
  while (largest_factor(length) > 5) ++length;
  return length;
}

bool runs_avx2() {
#if defined(MELSPEC_DISPATCH)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return false;
#endif
}

bool runs_avx512() {
#if defined(MELSPEC_DISPATCH)
  return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

}  // namespace

std::span<const Kernels* const> supported_kernels() {
  static const std::vector<const Kernels*> found = [] {
    std::vector<const Kernels*> list;
#if defined(MELSPEC_DISPATCH)
    if (runs_avx512()) list.push_back(&avx512::kernels);
    if (runs_avx2()) list.push_back(&avx2::kernels);
#endif
    list.push_back(&baseline::kernels);
    return list;
  }();
  return found;
}

std::string kernel_name(const Kernels& kernels) { return kernels.name; }

Scratch::Scratch(std::size_t size)
    : buffer_(static_cast<float*>(
          ::operator new(std::max<std::size_t>(size, 1) * sizeof(float), std::align_val_t{64}))) {}

void Scratch::Free::operator()(float* p) const { ::operator delete(p, std::align_val_t{64}); }

// Three ways to a real spectrum: an even length is transformed at half of it, the odd samples being
// the imaginary parts; an odd one begins with a stage for real samples, of which only the outputs
// that do not mirror others go on; a large prime factor takes Bluestein's way.
struct RealFft::Plan {
  std::size_t n_points;  // length of the complex transform
  std::size_t length;    // length of what is carried out: longer for Bluestein
  Stages stages;
  std::optional<Stages> real_stage;   // odd lengths
  std::optional<Chirp> chirp;         // Bluestein
  std::vector<float> split_twiddles;  // even lengths
  std::vector<std::int32_t> places;   // odd lengths

  // Whether samples are loaded as complex points.
  bool loads_complex() const { return split_twiddles.empty() && !real_stage; }

  Split split() const {
    return {n_points, split_twiddles.empty() ? nullptr : split_twiddles.data(), places.data()};
  }

  // From points in the scratch's first half to their transform, in either half.
  const float* run(const Kernels& kernels, float* scratch) const {
    float *x = scratch, *y = scratch + 2 * length * kernels.lanes;
    if (real_stage) {
      kernels.real_stage(real_stage->front(), x, y);
      return stages.run(kernels, y, x);
    }
    if (!chirp) return stages.run(kernels, x, y);
    // The way back is a way forth with real and imaginary parts changing places before and after.
    kernels.multiply(x, chirp->forward.data(), n_points, false, x);
    std::fill(x + 2 * n_points * kernels.lanes, y, 0.0f);
    float* spectrum = stages.run(kernels, x, y);
    float* other = spectrum == x ? y : x;
    kernels.multiply(spectrum, chirp->response.data(), length, true, spectrum);
    float* result = stages.run(kernels, spectrum, other);
    kernels.multiply(result, chirp->backward.data(), n_points, true, result);
    return result;
  }
};

std::unique_ptr<const RealFft::Plan> RealFft::make_plan(std::size_t n) {
  const bool even = n % 2 == 0;
  const std::size_t points = even ? n / 2 : n, r = largest_factor(points);
  std::vector<float> twiddles;
  std::vector<std::int32_t> places;
  for (std::size_t k = 0; k <= n / 2; ++k) {
    if (even) {
      append(twiddles, root(k, n));
    } else if (r > kMaxPrime) {
      places.push_back(static_cast<std::int32_t>(k));
    } else {  // bin q r + k is output q of the k-th transform, if k <= r / 2
      const bool mirrored = k % r > r / 2;
      const std::size_t bin = mirrored ? n - k : k;
      const auto place = static_cast<std::int32_t>(bin / r * (r / 2 + 1) + bin % r);
      places.push_back(mirrored ? ~place : place);
    }
  }
  if (r > kMaxPrime) {
    const std::size_t length = convolution_length(points);
    return std::make_unique<const Plan>(Plan{points,
                                             length,
                                             Stages(length),
                                             {},
                                             make_chirp(points, length),
                                             std::move(twiddles),
                                             std::move(places)});
  }
  if (even)
    return std::make_unique<const Plan>(
        Plan{points, points, Stages(points), {}, {}, std::move(twiddles), {}});
  const std::size_t m = n / r, kept = r / 2 + 1;
  Stages real_stage(1);
  real_stage.add(r, m, 1, true);
  return std::make_unique<const Plan>(
      Plan{m * kept, m * kept, Stages(m, kept), std::move(real_stage), {}, {}, std::move(places)});
}

RealFft::RealFft(std::size_t n, const Kernels& kernels) : n_(n), kernels_(&kernels) {
  if (n < 1 || n > kMaxLength)
    throw std::invalid_argument("a transform's length must lie between 1 and 2^24, not " +
                                std::to_string(n));
  plan_ = make_plan(n);
}

RealFft::~RealFft() = default;
RealFft::RealFft(RealFft&&) noexcept = default;

std::size_t RealFft::lanes() const { return kernels_->lanes; }

std::size_t RealFft::scratch_size() const { return 4 * plan_->length * kernels_->lanes; }

void RealFft::transform(const float* x, std::size_t count, std::complex<float>* out,
                        float* scratch) const {
  for (std::size_t i = 0; i < count; i += lanes()) {
    const std::size_t batch = std::min(lanes(), count - i);
    kernels_->load({x + i * n_, n_, batch, n_}, plan_->loads_complex(), scratch);
    const float* z = plan_->run(*kernels_, scratch);
    kernels_->spectrum(plan_->split(), z, n_bins(), batch,
                       reinterpret_cast<float*>(out + i * n_bins()));
  }
}

template <typename T>
const float* RealFft::magnitudes(const T* x, std::size_t stride, std::size_t count,
                                 const float* window, std::size_t n_bins, float* scratch) const {
  const Frames<T> frames{x, stride, count, n_};
  if constexpr (std::is_same_v<T, float>) {
    kernels_->load_audio_f32(frames, plan_->loads_complex(), window, scratch);
  } else {
    kernels_->load_audio_i16(frames, plan_->loads_complex(), window, scratch);
  }
  const float* z = plan_->run(*kernels_, scratch);
  // The half of the scratch that does not hold the transform is free now.
  float* free = z == scratch ? scratch + scratch_size() / 2 : scratch;
  kernels_->magnitudes(plan_->split(), z, n_bins, free);
  return free;
}

template const float* RealFft::magnitudes(const float*, std::size_t, std::size_t, const float*,
                                          std::size_t, float*) const;
template const float* RealFft::magnitudes(const std::int16_t*, std::size_t, std::size_t,
                                          const float*, std::size_t, float*) const;

}  // namespace melspec
