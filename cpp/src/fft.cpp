#include "melspec/fft.h"

#include <algorithm>
#include <new>
#include <stdexcept>
#include <type_traits>

#include "kernels.h"
#include "plan.h"

namespace melspec {
namespace {

constexpr std::size_t kMaxLength = std::size_t{1} << 24;

#if defined(MELSPEC_DISPATCH)
bool runs_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

bool runs_avx512() {
  return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

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

RealFft::RealFft(std::size_t n, const Kernels& kernels) : n_(n), kernels_(&kernels) {
  if (n < 1 || n > kMaxLength)
    throw std::invalid_argument("a transform's length must lie between 1 and 2^24, not " +
                                std::to_string(n));
  plan_ = std::make_unique<const TransformPlan>(n, kernels.lanes);
}

RealFft::~RealFft() = default;
RealFft::RealFft(RealFft&&) noexcept = default;

std::size_t RealFft::lanes() const { return kernels_->lanes; }

std::size_t RealFft::scratch_size() const { return plan_->scratch_size(); }

void RealFft::transform(const float* x, std::size_t count, std::complex<float>* out,
                        float* scratch) const {
  for (std::size_t i = 0; i < count; i += lanes()) {
    const std::size_t batch = std::min(lanes(), count - i);
    kernels_->load(plan_->passes(), {x + i * n_, n_, batch}, scratch);
    kernels_->spectrum(plan_->passes(), batch, reinterpret_cast<float*>(out + i * n_bins()),
                       scratch);
  }
}

template <typename T>
const float* RealFft::magnitudes(const T* x, std::size_t stride, std::size_t count,
                                 const float* window, std::size_t n_bins, float* scratch) const {
  const Frames<T> frames{x, stride, count};
  if constexpr (std::is_same_v<T, float>) {
    kernels_->load_audio_f32(plan_->passes(), frames, window, scratch);
  } else {
    kernels_->load_audio_i16(plan_->passes(), frames, window, scratch);
  }
  return kernels_->magnitudes(plan_->passes(), n_bins, scratch);
}

template const float* RealFft::magnitudes(const float*, std::size_t, std::size_t, const float*,
                                          std::size_t, float*) const;
template const float* RealFft::magnitudes(const std::int16_t*, std::size_t, std::size_t,
                                          const float*, std::size_t, float*) const;

}  // namespace melspec
