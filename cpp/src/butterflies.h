// The butterflies of the Fourier transform, one radix each.
#pragma once

#include "kernels.h"
#include "lanes.h"

namespace melspec::MELSPEC_ISA {
namespace {

// Loads every x_step-th point, writes every y_step-th one; Turned: times its twiddle.
template <bool Turned>
struct Port {
  const Complex* x;
  Complex* y;
  std::size_t x_step, y_step;
  const float* twiddles;

  // Part by part: GCC takes a copy of the whole through memory.
  INLINE Complex in(std::size_t j) const { return {x[j * x_step].re, x[j * x_step].im}; }
  INLINE void out(std::size_t k, const Complex& v) const {
    const Complex turned = Turned && k > 0 ? times(v, twiddles + 2 * (k - 1)) : v;
    y[k * y_step].re = turned.re;
    y[k * y_step].im = turned.im;
  }
};

template <typename Port>
INLINE void butterfly2(const Port& port) {
  const Complex a = port.in(0), b = port.in(1);
  port.out(0, a + b);
  port.out(1, a - b);
}

template <typename Port>
INLINE void butterfly3(const Port& port) {
  constexpr float kSin = 0.866025403784438646763723f;
  const Complex a = port.in(0), b = port.in(1), c = port.in(2);
  const Complex sum = b + c, difference = b - c;
  const Complex p = {a.re - 0.5f * sum.re, a.im - 0.5f * sum.im};
  const Complex q = {kSin * difference.im, -kSin * difference.re};
  port.out(0, a + sum);
  port.out(1, p + q);
  port.out(2, p - q);
}

template <typename Port>
INLINE void butterfly4(const Port& port) {
  const Complex a = port.in(0), b = port.in(1), c = port.in(2), d = port.in(3);
  const Complex even = a + c, odd = b + d, p = a - c, q = times_minus_i(b - d);
  port.out(0, even + odd);
  port.out(1, p + q);
  port.out(2, even - odd);
  port.out(3, p - q);
}

// The outputs of a transform of four points.
struct Four {
  Complex y0, y1, y2, y3;
};
INLINE Four dft4(const Complex& a, const Complex& b, const Complex& c, const Complex& d) {
  const Complex even = a + c, odd = b + d, p = a - c, q = times_minus_i(b - d);
  return {even + odd, p + q, even - odd, p - q};
}

template <typename Port>
INLINE void butterfly8(const Port& port) {
  constexpr float kHalf = 0.707106781186547524400844f;  // of a square's diagonal
  const Complex x0 = port.in(0), x1 = port.in(1), x2 = port.in(2), x3 = port.in(3);
  const Complex x4 = port.in(4), x5 = port.in(5), x6 = port.in(6), x7 = port.in(7);
  const Four even = dft4(x0 + x4, x1 + x5, x2 + x6, x3 + x7);
  const Complex d1 = x1 - x5, d3 = x3 - x7;
  const Complex turned1 = {kHalf * (d1.re + d1.im), kHalf * (d1.im - d1.re)};
  const Complex turned3 = {kHalf * (d3.im - d3.re), -kHalf * (d3.re + d3.im)};
  const Four odd = dft4(x0 - x4, turned1, times_minus_i(x2 - x6), turned3);
  port.out(0, even.y0);
  port.out(1, odd.y0);
  port.out(2, even.y1);
  port.out(3, odd.y1);
  port.out(4, even.y2);
  port.out(5, odd.y2);
  port.out(6, even.y3);
  port.out(7, odd.y3);
}

template <typename Port>
INLINE void butterfly5(const Port& port) {
  constexpr float c1 = 0.309016994374947424102293f, c2 = -0.809016994374947424102293f;
  constexpr float s1 = 0.951056516295153572116439f, s2 = 0.587785252292473129168706f;
  const Complex x0 = port.in(0), x1 = port.in(1), x2 = port.in(2), x3 = port.in(3), x4 = port.in(4);
  const Complex a = x1 + x4, b = x2 + x3, c = x1 - x4, d = x2 - x3;
  const Complex p1 = {x0.re + c1 * a.re + c2 * b.re, x0.im + c1 * a.im + c2 * b.im};
  const Complex p2 = {x0.re + c2 * a.re + c1 * b.re, x0.im + c2 * a.im + c1 * b.im};
  const Complex q1 = times_minus_i({s1 * c.re + s2 * d.re, s1 * c.im + s2 * d.im});
  const Complex q2 = times_minus_i({s2 * c.re - s1 * d.re, s2 * c.im - s1 * d.im});
  port.out(0, x0 + a + b);
  port.out(1, p1 + q1);
  port.out(2, p2 + q2);
  port.out(3, p2 - q2);
  port.out(4, p1 - q1);
}

}  // namespace
}  // namespace melspec::MELSPEC_ISA
