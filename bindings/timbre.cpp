#include "melspec/timbre.h"

#include <mutex>

#include "bindings.h"
#include "melspec/extractor.h"

namespace {

using melspec::Extract;
using melspec::Extractor;
using melspec::Timbre;

// A stream that keeps its extractor alive; calls from several threads wait for one another.
struct ExtractorStream {
  explicit ExtractorStream(std::shared_ptr<const Extractor> e)
      : extractor(std::move(e)), stream(*extractor) {}

  std::shared_ptr<const Extractor> extractor;
  std::mutex mutex;
  melspec::ExtractorStream stream;
};

py::array_t<float> rows(std::vector<float>&& values, std::size_t n_columns) {
  const auto n = static_cast<py::ssize_t>(values.size() / n_columns);
  return to_array(std::move(values), {n, static_cast<py::ssize_t>(n_columns)});
}

py::tuple fragments_and_statistics(Extract&& extract, const Extractor& extractor) {
  const melspec::MelSpectrogram& spectrogram = extractor.spectrogram();
  const auto n = static_cast<py::ssize_t>(extract.fragments.size() / spectrogram.fragment_size());
  const melspec::MelParams& p = spectrogram.params();
  return py::make_tuple(to_array(std::move(extract.fragments), {n, p.n_frames, p.n_mels}),
                        rows(std::move(extract.statistics), extractor.timbre().n_statistics()));
}

std::size_t size_of(std::int64_t n) { return n < 0 ? 0 : static_cast<std::size_t>(n); }

py::array_t<float> statistics(const Timbre& self, const py::array& fragments) {
  if (fragments.ndim() != 3 || fragments.shape(1) != static_cast<py::ssize_t>(self.n_frames()) ||
      fragments.shape(2) != static_cast<py::ssize_t>(self.n_mels()))
    throw py::value_error("fragments must have the shape (n, " + std::to_string(self.n_frames()) +
                          ", " + std::to_string(self.n_mels()) + ")");
  if (!py::isinstance<py::array_t<float>>(fragments))
    throw py::type_error("fragments must be float32, not " +
                         py::str(fragments.dtype()).cast<std::string>());
  const auto held = py::cast<Contiguous<float>>(fragments);
  const float* x = held.data();
  const auto n = static_cast<std::size_t>(held.shape(0));
  return rows(without_gil([&] {
                std::vector<float> out(n * self.n_statistics());
                const melspec::Scratch scratch(self.scratch_size());
                for (std::size_t i = 0; i < n; ++i)
                  self.statistics(x + i * self.n_frames() * self.n_mels(),
                                  out.data() + i * self.n_statistics(), scratch.get());
                return out;
              }),
              self.n_statistics());
}

}  // namespace

void bind_timbre(py::module_& m) {
  py::class_<Timbre>(m, "Timbre")
      .def(py::init([](std::int64_t n_frames, std::int64_t n_mels, std::int64_t n_rates) {
             return without_gil([&] {
               return std::make_unique<Timbre>(size_of(n_frames), size_of(n_mels),
                                               size_of(n_rates));
             });
           }),
           py::kw_only(), "n_frames"_a, "n_mels"_a, "n_rates"_a)
      .def_property_readonly("n_statistics", &Timbre::n_statistics)
      .def("statistics", &statistics, "fragments"_a);

  py::class_<ExtractorStream>(m, "ExtractorStream")
      .def(
          "push",
          [](ExtractorStream& self, const py::array& y) {
            Extract out = with_signal(y, [&](auto samples) {
              const std::lock_guard lock(self.mutex);
              Extract extract;
              self.stream.push(samples, extract);
              return extract;
            });
            return fragments_and_statistics(std::move(out), *self.extractor);
          },
          "y"_a)
      .def("finish",
           [](ExtractorStream& self) {
             Extract out = without_gil([&] {
               const std::lock_guard lock(self.mutex);
               Extract extract;
               self.stream.finish(extract);
               return extract;
             });
             return fragments_and_statistics(std::move(out), *self.extractor);
           })
      .def_property_readonly("n_samples", [](ExtractorStream& self) {
        return without_gil([&] {
          const std::lock_guard lock(self.mutex);
          return self.stream.n_samples();
        });
      });

  using Spectrogram = std::shared_ptr<melspec::MelSpectrogram>;
  py::class_<Extractor, std::shared_ptr<Extractor>>(m, "Extractor")
      .def(py::init([](Spectrogram spectrogram, Spectrogram fine, std::int64_t n_rates) {
             return without_gil([&] {
               return std::make_shared<Extractor>(std::move(spectrogram), std::move(fine),
                                                  size_of(n_rates));
             });
           }),
           py::kw_only(), py::arg("spectrogram").none(false), "fine"_a, "n_rates"_a)
      .def_property_readonly("n_statistics",
                             [](const Extractor& self) { return self.timbre().n_statistics(); })
      .def(
          "transform",
          [](const Extractor& self, const py::array& y) {
            return fragments_and_statistics(
                with_signal(y, [&](auto samples) { return self.transform(samples); }), self);
          },
          "y"_a)
      .def(
          "transform_many",
          [](const Extractor& self, const std::vector<py::array>& ys, std::int64_t n_threads) {
            py::list out;
            for (Extract& extract :
                 with_signals(ys, n_threads, [&](auto samples) { return self.transform(samples); }))
              out.append(fragments_and_statistics(std::move(extract), self));
            return out;
          },
          "ys"_a, py::kw_only(), "n_threads"_a)
      .def("stream", [](std::shared_ptr<Extractor> self) {
        return std::make_unique<ExtractorStream>(std::move(self));
      });
}
