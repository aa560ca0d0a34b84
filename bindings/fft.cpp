#include "melspec/fft.h"

#include <complex>

#include "bindings.h"

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
