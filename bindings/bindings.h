// What the bindings share: signals from Python, arrays to Python, computing without the GIL.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "melspec/parallel.h"

namespace py = pybind11;
using namespace pybind11::literals;

void bind_fft(py::module_& m);
void bind_mel(py::module_& m);
void bind_timbre(py::module_& m);
void bind_wav(py::module_& m);

// A NumPy array that owns what was a vector: nothing is copied.
template <typename T>
py::array_t<T> to_array(std::vector<T>&& values, std::vector<py::ssize_t> shape) {
  auto owned = std::make_unique<std::vector<T>>(std::move(values));
  const T* data = owned->data();
  py::capsule owner(owned.get(), [](void* p) { delete static_cast<std::vector<T>*>(p); });
  owned.release();
  return py::array_t<T>(std::move(shape), data, owner);
}

// What C++ may read: contiguous, and each value where its type must stand.
constexpr int kReadable = int{py::array::c_style} | int{py::detail::npy_api::NPY_ARRAY_ALIGNED_};
template <typename T>
using Contiguous = py::array_t<T, kReadable>;

// A contiguous float32 or int16 signal and what keeps it alive; a strided one is copied.
struct Signal {
  explicit Signal(const py::array& y) {
    if (y.ndim() != 1)
      throw py::value_error("y must have one dimension, not " + std::to_string(y.ndim()));
    if (!hold<float>(y) && !hold<std::int16_t>(y))
      throw py::type_error("y must be float32 or int16, not " +
                           py::str(y.dtype()).cast<std::string>());
  }

  py::object held;
  std::variant<std::span<const float>, std::span<const std::int16_t>> samples;

 private:
  template <typename T>
  bool hold(const py::array& y) {
    if (!py::isinstance<py::array_t<T>>(y)) return false;
    const auto contiguous = py::cast<Contiguous<T>>(y);
    samples = std::span<const T>(contiguous.data(), static_cast<std::size_t>(contiguous.size()));
    held = contiguous;
    return true;
  }
};

// Run f without the GIL.
template <typename F>
auto without_gil(F f) {
  const py::gil_scoped_release released;
  return f();
}

// f(samples) of one signal.
template <typename F>
auto with_signal(const py::array& y, F f) {
  const Signal signal(y);
  return without_gil([&] { return std::visit(f, signal.samples); });
}

// f(samples) of each signal, in their order, worked on by several threads.
template <typename F>
auto with_signals(const std::vector<py::array>& ys, std::int64_t n_threads, F f) {
  if (n_threads < 1)
    throw py::value_error("n_threads must be at least 1, not " + std::to_string(n_threads));
  const std::vector<Signal> signals(ys.begin(), ys.end());
  std::vector<decltype(f(std::span<const float>()))> results(signals.size());
  without_gil([&] {
    melspec::parallel_for(signals.size(), static_cast<std::size_t>(n_threads),
                          [&](std::size_t i) { results[i] = std::visit(f, signals[i].samples); });
  });
  return results;
}
