// The Python side of the native core: checks shapes and types, releases the GIL, computes nothing.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <complex>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "melspec/fft.h"
#include "melspec/mel.h"
#include "melspec/stream.h"
#include "melspec/wav.h"

namespace py = pybind11;
using namespace pybind11::literals;

namespace {

// A NumPy array that owns what was a vector: nothing is copied.
template <typename T>
py::array_t<T> to_array(std::vector<T>&& values, std::vector<py::ssize_t> shape) {
  auto owned = std::make_unique<std::vector<T>>(std::move(values));
  const T* data = owned->data();
  py::capsule owner(owned.get(), [](void* p) { delete static_cast<std::vector<T>*>(p); });
  owned.release();
  return py::array_t<T>(std::move(shape), data, owner);
}

template <typename T>
using Contiguous = py::array_t<T, py::array::c_style>;

template <typename T>
std::span<const T> span_of(const Contiguous<T>& x) {
  return {x.data(), static_cast<std::size_t>(x.size())};
}

// Call f(span of samples) with a contiguous float32 or int16 signal; a strided one is copied.
template <typename F>
auto with_signal(const py::array& y, F f) {
  if (y.ndim() != 1)
    throw py::value_error("y must have one dimension, not " + std::to_string(y.ndim()));
  if (py::isinstance<py::array_t<float>>(y)) {
    const auto held = py::cast<Contiguous<float>>(y);
    return f(span_of(held));
  }
  if (py::isinstance<py::array_t<std::int16_t>>(y)) {
    const auto held = py::cast<Contiguous<std::int16_t>>(y);
    return f(span_of(held));
  }
  throw py::type_error("y must be float32 or int16, not " + py::str(y.dtype()).cast<std::string>());
}

// Run f without the GIL.
template <typename F>
auto without_gil(F f) {
  const py::gil_scoped_release released;
  return f();
}

template <typename T>
T choice(const std::string& name, const std::string& value, const char* first, T if_first,
         const char* second, T if_second) {
  if (value == first) return if_first;
  if (value == second) return if_second;
  throw py::value_error(name + " must be \"" + first + "\" or \"" + second + "\", not \"" + value +
                        "\"");
}

py::array_t<float> fragments(std::vector<float>&& values,
                             const melspec::MelSpectrogram& spectrogram) {
  const auto n = static_cast<py::ssize_t>(values.size() / spectrogram.fragment_size());
  const melspec::MelParams& p = spectrogram.params();
  return to_array(std::move(values), {n, p.n_frames, p.n_mels});
}

// A stream that keeps its spectrogram alive; calls from several threads wait for one another.
struct Stream {
  explicit Stream(std::shared_ptr<const melspec::MelSpectrogram> s)
      : spectrogram(std::move(s)), stream(*spectrogram) {}

  std::shared_ptr<const melspec::MelSpectrogram> spectrogram;
  std::mutex mutex;
  melspec::Stream stream;
};

struct WavReader {
  explicit WavReader(const std::string& path)
      : reader(std::in_place, path), header(reader->header()) {}

  std::mutex mutex;
  std::optional<melspec::WavReader> reader;  // none once closed
  melspec::WavHeader header;
};

std::vector<float> read(WavReader& self, std::int64_t n,
                        std::vector<float> (melspec::WavReader::*method)(std::uint64_t)) {
  if (n < 0) throw py::value_error("n must not be negative, but is " + std::to_string(n));
  return without_gil([&] {
    const std::lock_guard lock(self.mutex);
    if (!self.reader) throw std::invalid_argument("the file is closed");
    return ((*self.reader).*method)(static_cast<std::uint64_t>(n));
  });
}

void close(WavReader& self) {
  without_gil([&] {
    const std::lock_guard lock(self.mutex);
    self.reader.reset();
  });
}

// The bytes of a path, as the file system knows them: str, bytes and os.PathLike.
std::string path_bytes(const py::object& path) {
  PyObject* encoded = nullptr;
  if (PyUnicode_FSConverter(path.ptr(), &encoded) == 0) throw py::error_already_set();
  return py::reinterpret_steal<py::bytes>(encoded);
}

void bind_fft(py::module_& m) {
  using melspec::RealFft;
  py::class_<RealFft, std::shared_ptr<RealFft>>(m, "RealFft")
      .def(py::init([](std::int64_t n) {
             const auto length = n < 0 ? std::size_t{0} : static_cast<std::size_t>(n);
             return without_gil([&] { return std::make_shared<RealFft>(length); });
           }),
           "n"_a)
      .def_property_readonly("n", &RealFft::n)
      .def(
          "__call__",
          [](const RealFft& self, const py::array& x) {
            if (x.ndim() != 2 || x.shape(1) != static_cast<py::ssize_t>(self.n()))
              throw py::value_error("x must have the shape (batch, " + std::to_string(self.n()) +
                                    ")");
            if (!py::isinstance<py::array_t<float>>(x))
              throw py::type_error("x must be float32, not " +
                                   py::str(x.dtype()).cast<std::string>());
            const auto held = py::cast<Contiguous<float>>(x);
            const auto count = static_cast<std::size_t>(x.shape(0));
            py::array_t<std::complex<float>> out({count, self.n_bins()});
            std::complex<float>* spectra = out.mutable_data();
            without_gil([&] {
              const melspec::Scratch scratch(self.scratch_size());
              self.transform(held.data(), count, spectra, scratch.get());
            });
            return out;
          },
          "x"_a);
}

void bind_mel(py::module_& m) {
  using melspec::MelSpectrogram;
  py::class_<Stream>(m, "Stream")
      .def(
          "push",
          [](Stream& self, const py::array& y) {
            auto out = with_signal(y, [&](auto samples) {
              return without_gil([&] {
                const std::lock_guard lock(self.mutex);
                std::vector<float> values;
                self.stream.push(samples, values);
                return values;
              });
            });
            return fragments(std::move(out), *self.spectrogram);
          },
          "y"_a)
      .def("finish",
           [](Stream& self) {
             auto out = without_gil([&] {
               const std::lock_guard lock(self.mutex);
               std::vector<float> values;
               self.stream.finish(values);
               return values;
             });
             return fragments(std::move(out), *self.spectrogram);
           })
      .def_property_readonly("n_samples", [](Stream& self) {
        return without_gil([&] {
          const std::lock_guard lock(self.mutex);
          return self.stream.n_samples();
        });
      });

  py::class_<MelSpectrogram, std::shared_ptr<MelSpectrogram>>(m, "MelSpectrogram")
      .def(py::init([](std::int64_t frame_length, std::int64_t hop_length,
                       std::int64_t fragment_length, std::int64_t n_frames, std::int64_t n_bins,
                       double bin_hz, double fmin, double fmax, std::int64_t n_mels,
                       const std::string& window, const std::string& mel,
                       const std::string& compression, const std::string& reference,
                       double range_db) {
             using namespace melspec;
             const MelParams params{
                 .frame_length = frame_length,
                 .hop_length = hop_length,
                 .fragment_length = fragment_length,
                 .n_frames = n_frames,
                 .n_bins = n_bins,
                 .bin_hz = bin_hz,
                 .fmin = fmin,
                 .fmax = fmax,
                 .n_mels = n_mels,
                 .window = choice("window", window, "rectangular", Window::rectangular, "hann",
                                  Window::hann),
                 .mel = choice("mel", mel, "described", Mel::described, "listing", Mel::listing),
                 .compression = choice("compression", compression, "linear", Compression::linear,
                                       "log", Compression::log),
                 .reference = choice("reference", reference, "fragment", Reference::fragment,
                                     "absolute", Reference::absolute),
                 .range_db = range_db,
             };
             return without_gil([&] { return std::make_shared<MelSpectrogram>(params); });
           }),
           py::kw_only(), "frame_length"_a, "hop_length"_a, "fragment_length"_a, "n_frames"_a,
           "n_bins"_a, "bin_hz"_a, "fmin"_a, "fmax"_a, "n_mels"_a, "window"_a, "mel"_a,
           "compression"_a, "reference"_a, "range_db"_a)
      .def("filterbank",
           [](const MelSpectrogram& self) {
             return to_array(self.filterbank(), {self.params().n_mels, self.params().n_bins});
           })
      .def(
          "transform",
          [](const MelSpectrogram& self, const py::array& y) {
            auto out = with_signal(y, [&](auto samples) {
              return without_gil([&] { return self.transform(samples); });
            });
            return fragments(std::move(out), self);
          },
          "y"_a)
      .def("stream", [](std::shared_ptr<MelSpectrogram> self) {
        return std::make_unique<Stream>(std::move(self));
      });
}

void bind_wav(py::module_& m) {
  py::register_exception<melspec::WavError>(m, "WavError", PyExc_ValueError);
  using melspec::WavHeader;
  const auto field = [](auto WavHeader::* member) {
    return [member](const WavReader& self) { return self.header.*member; };
  };
  py::class_<WavReader>(m, "WavReader")
      .def(py::init([](const py::object& path) {
             const std::string bytes = path_bytes(path);
             return without_gil([&] { return std::make_unique<WavReader>(bytes); });
           }),
           "path"_a)
      .def_property_readonly("container", field(&WavHeader::container))
      .def_property_readonly("format_tag", field(&WavHeader::format_tag))
      .def_property_readonly("sub_format", field(&WavHeader::sub_format))
      .def_property_readonly("n_channels", field(&WavHeader::n_channels))
      .def_property_readonly("sr", field(&WavHeader::sr))
      .def_property_readonly("byte_rate", field(&WavHeader::byte_rate))
      .def_property_readonly("block_align", field(&WavHeader::block_align))
      .def_property_readonly("bits_per_sample", field(&WavHeader::bits_per_sample))
      .def_property_readonly("valid_bits", field(&WavHeader::valid_bits))
      .def_property_readonly("channel_mask", field(&WavHeader::channel_mask))
      .def_property_readonly("data_offset", field(&WavHeader::data_offset))
      .def_property_readonly("data_size", field(&WavHeader::data_size))
      .def_property_readonly(
          "n_frames",
          [](const WavReader& self) { return self.header.data_size / self.header.block_align; })
      .def(
          "read",
          [](WavReader& self, std::int64_t n) {
            auto out = read(self, n, &melspec::WavReader::read);
            const py::ssize_t n_channels = self.header.n_channels;
            const auto count = static_cast<py::ssize_t>(out.size()) / n_channels;
            return to_array(std::move(out), {count, n_channels});
          },
          "n"_a)
      .def(
          "read_mono",
          [](WavReader& self, std::int64_t n) {
            auto out = read(self, n, &melspec::WavReader::read_mono);
            const auto count = static_cast<py::ssize_t>(out.size());
            return to_array(std::move(out), {count});
          },
          "n"_a)
      .def("close", &close)
      .def("__enter__", [](py::object self) { return self; })
      .def("__exit__", [](WavReader& self, const py::args&) { close(self); });
}

}  // namespace

// Without the GIL all is still safe: what is shared is constant, what changes has a lock.
PYBIND11_MODULE(_native, m, py::mod_gil_not_used()) {
  m.doc() = "Mel-spectrograms, Fourier transforms and WAV files, natively.";
  m.attr("kernels") = melspec::kernel_name(*melspec::supported_kernels().front());
  bind_fft(m);
  bind_mel(m);
  bind_wav(m);
}
