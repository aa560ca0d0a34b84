// The plain way to a mel-spectrogram: a general Fourier transform called for one frame at a time.
// Built with -DWITH_EIGEN against Eigen's FFT module, else against KissFFT; both plan once a call.

#include <cmath>
#include <complex>
#include <cstddef>
#include <vector>

#ifdef WITH_EIGEN
#include <unsupported/Eigen/FFT>

class Transform {
 public:
  explicit Transform(int) { fft_.SetFlag(Eigen::FFT<float>::HalfSpectrum); }
  void operator()(std::vector<std::complex<float>>& spectrum, const std::vector<float>& frame) {
    fft_.fwd(spectrum, frame);
  }

 private:
  Eigen::FFT<float> fft_;  // keeps its plans
};
#else
#include <kiss_fftr.h>

class Transform {
 public:
  explicit Transform(int n) : plan_(kiss_fftr_alloc(n, 0, nullptr, nullptr)) {}
  Transform(const Transform&) = delete;
  Transform& operator=(const Transform&) = delete;
  ~Transform() { kiss_fftr_free(plan_); }
  void operator()(std::vector<std::complex<float>>& spectrum, const std::vector<float>& frame) {
    kiss_fftr(plan_, frame.data(), reinterpret_cast<kiss_fft_cpx*>(spectrum.data()));
  }

 private:
  kiss_fftr_cfg plan_;
};
#endif

// y: n_frames * n samples; window: n; filterbank: n_mels * n_bins, n_bins <= n / 2 + 1; out:
// n_frames * n_mels.
extern "C" void mel_by_frame(const float* y, std::size_t n_frames, std::size_t n,
                             const float* window, const float* filterbank, std::size_t n_mels,
                             std::size_t n_bins, float* out) {
  Transform transform(static_cast<int>(n));
  std::vector<float> frame(n), magnitude(n_bins);
  std::vector<std::complex<float>> spectrum(n / 2 + 1);
  std::vector<std::size_t> first(n_mels, 0), last(n_mels, 0);  // where a triangle is not zero
  for (std::size_t m = 0; m < n_mels; ++m) {
    const float* triangle = filterbank + m * n_bins;
    for (std::size_t k = n_bins; k-- > 0;)
      if (triangle[k] != 0) first[m] = k;
    for (std::size_t k = 0; k < n_bins; ++k)
      if (triangle[k] != 0) last[m] = k + 1;
  }
  for (std::size_t i = 0; i < n_frames; ++i) {
    for (std::size_t j = 0; j < n; ++j) frame[j] = window[j] * y[i * n + j];
    transform(spectrum, frame);
    for (std::size_t k = 0; k < n_bins; ++k) magnitude[k] = std::sqrt(std::norm(spectrum[k]));
    for (std::size_t m = 0; m < n_mels; ++m) {
      float sum = 0;
      for (std::size_t k = first[m]; k < last[m]; ++k)
        sum += filterbank[m * n_bins + k] * magnitude[k];
      out[i * n_mels + m] = sum;
    }
  }
}
