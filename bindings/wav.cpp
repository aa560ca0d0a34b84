#include "melspec/wav.h"

#include <mutex>
#include <optional>

#include "bindings.h"

namespace {

struct WavReader {
  explicit WavReader(const std::string& path)
      : reader(std::in_place, path), header(reader->header()) {}

  std::mutex mutex;
  std::optional<melspec::WavReader> reader;  // none once closed
  melspec::WavHeader header;
};

std::vector<float> next_frames(WavReader& self, std::int64_t n,
                               std::vector<float> (melspec::WavReader::*method)(std::uint64_t)) {
  if (n < 0) throw py::value_error("n must not be negative, but is " + std::to_string(n));
  return without_gil([&] {
    const std::lock_guard lock(self.mutex);
    if (!self.reader) throw std::invalid_argument("the file is closed");
    return ((*self.reader).*method)(static_cast<std::uint64_t>(n));
  });
}

void close_reader(WavReader& self) {
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

}  // namespace

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
            auto out = next_frames(self, n, &melspec::WavReader::read);
            const py::ssize_t n_channels = self.header.n_channels;
            const auto count = static_cast<py::ssize_t>(out.size()) / n_channels;
            return to_array(std::move(out), {count, n_channels});
          },
          "n"_a)
      .def(
          "read_mono",
          [](WavReader& self, std::int64_t n) {
            auto out = next_frames(self, n, &melspec::WavReader::read_mono);
            const auto count = static_cast<py::ssize_t>(out.size());
            return to_array(std::move(out), {count});
          },
          "n"_a)
      .def("close", &close_reader)
      .def("__enter__", [](py::object self) { return self; })
      .def("__exit__", [](WavReader& self, const py::args&) { close_reader(self); });
}
