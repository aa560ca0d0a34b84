// The Python side of the native core: checks shapes and types, releases the GIL, computes nothing.

#include "bindings.h"
#include "melspec/fft.h"

// Without the GIL all is still safe: what is shared is constant, what changes has a lock.
PYBIND11_MODULE(_native, m, py::mod_gil_not_used()) {
  m.doc() = "Mel-spectrograms, statistics of timbre, Fourier transforms and WAV files, natively.";
  m.attr("kernels") = melspec::kernel_name(*melspec::supported_kernels().front());
  bind_fft(m);
  bind_mel(m);
  bind_timbre(m);
  bind_wav(m);
}
