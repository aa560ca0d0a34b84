// The transform of one column, all of its steps in two small buffers.
#pragma once

#include "butterflies.h"
#include "kernels.h"
#include "lanes.h"
#include "prime.h"

namespace melspec::MELSPEC_ISA {
namespace {

template <bool Turned, typename Butterfly>
INLINE void each_butterfly(const Stage& stage, const Complex* x, std::size_t step, Complex* y,
                           Butterfly butterfly) {
  const std::size_t r = stage.radix, m = stage.m, s = stage.s;
  for (std::size_t p = 0; p < m; ++p)
    for (std::size_t q = 0; q < s; ++q)
      butterfly(Port<Turned>{x + (q + s * p) * step, y + q + s * r * p, m * s * step, s,
                             stage.twiddles + 2 * (r - 1) * p});
}

template <bool Turned>
INLINE void run_stage(const Stage& stage, const Complex* x, std::size_t step, Complex* y) {
  const auto each = [&](auto butterfly) { each_butterfly<Turned>(stage, x, step, y, butterfly); };
  switch (stage.radix) {
    case 2: return each([](const auto& port) { butterfly2(port); });
    case 3: return each([](const auto& port) { butterfly3(port); });
    case 4: return each([](const auto& port) { butterfly4(port); });
    case 5: return each([](const auto& port) { butterfly5(port); });
    case 8: return each([](const auto& port) { butterfly8(port); });
    case 7: return each([&stage](const auto& port) { butterfly_small_prime<7>(port, stage); });
    case 11: return each([&stage](const auto& port) { butterfly_small_prime<11>(port, stage); });
    case 13: return each([&stage](const auto& port) { butterfly_small_prime<13>(port, stage); });
    default: return each([&stage](const auto& port) { butterfly_prime(port, stage); });
  }
}

// From every `step`th point of x, through a and b in turns; returns the one with the result.
Complex* run_stages(const ColumnFft& column, const Complex* x, std::size_t step, Complex* a,
                    Complex* b) {
  if (column.n_stages == 0) a[0] = {x[0].re, x[0].im};
  for (std::size_t i = 0; i < column.n_stages; ++i) {
    const Stage& stage = column.stages[i];
    Complex* y = i % 2 == 0 ? a : b;
    if (stage.m > 1) {
      run_stage<true>(stage, x, step, y);
    } else {
      run_stage<false>(stage, x, step, y);
    }
    x = y;
    step = 1;
  }
  return column.n_stages % 2 == 0 && column.n_stages > 0 ? b : a;
}

// A circular convolution of x times the chirp with its conjugate; the way back is a way forth with
// real and imaginary parts changing places before and after.
Complex* run_bluestein(const ColumnFft& column, const Complex* x, std::size_t step, Complex* a,
                       Complex* b) {
  for (std::size_t t = 0; t < column.n; ++t) {
    const Complex v = times(x[t * step], column.chirp + 2 * t);
    b[t].re = v.re;
    b[t].im = v.im;
  }
  for (std::size_t t = column.n; t < column.length; ++t) b[t] = {V{}, V{}};
  Complex* spectrum = run_stages(column, b, 1, a, b);
  for (std::size_t t = 0; t < column.length; ++t) {
    const Complex v = times(spectrum[t], column.response + 2 * t);
    spectrum[t].re = v.im;
    spectrum[t].im = v.re;
  }
  Complex* other = spectrum == a ? b : a;
  Complex* result = run_stages(column, spectrum, 1, other, spectrum);
  for (std::size_t t = 0; t < column.n; ++t) {
    const Complex v = times({result[t].im, result[t].re}, column.chirp + 2 * t);
    result[t].re = v.re;
    result[t].im = v.im;
  }
  return result;
}

INLINE Complex* transform_column(const ColumnFft& column, const Complex* x, std::size_t step,
                                 Complex* a, Complex* b) {
  return column.chirp == nullptr ? run_stages(column, x, step, a, b)
                                 : run_bluestein(column, x, step, a, b);
}

}  // namespace
}  // namespace melspec::MELSPEC_ISA
