#include "melspec/mel.h"

#include <mutex>

#include "bindings.h"
#include "melspec/stream.h"

namespace {

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

}  // namespace

void bind_mel(py::module_& m) {
  using melspec::MelSpectrogram;
  py::class_<Stream>(m, "Stream")
      .def(
          "push",
          [](Stream& self, const py::array& y) {
            auto out = with_signal(y, [&](auto samples) {
              const std::lock_guard lock(self.mutex);
              std::vector<float> values;
              self.stream.push(samples, values);
              return values;
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
            return fragments(with_signal(y, [&](auto samples) { return self.transform(samples); }),
                             self);
          },
          "y"_a)
      .def(
          "transform_many",
          [](const MelSpectrogram& self, const std::vector<py::array>& ys, std::int64_t n_threads) {
            py::list out;
            for (auto& values :
                 with_signals(ys, n_threads, [&](auto samples) { return self.transform(samples); }))
              out.append(fragments(std::move(values), self));
            return out;
          },
          "ys"_a, py::kw_only(), "n_threads"_a)
      .def("stream", [](std::shared_ptr<MelSpectrogram> self) {
        return std::make_unique<Stream>(std::move(self));
      });
}
