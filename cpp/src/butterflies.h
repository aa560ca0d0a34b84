// The butterflies of the Fourier transform, one radix each.
#pragma once

#include "kernels.h"
#include "lanes.h"

namespace melspec::MELSPEC_ISA {
namespace {

constexpr std::size_t kMaxRadix = 128;
// Outputs of the generic butterfly worked on together: as many as keep their sums in registers.
constexpr std::size_t kBlock = W == 16 ? 4 : 2;

// Loads x[j] from every m * s points, writes y[k] to every s points, times its twiddle.
struct Port {
  const Complex* x;
  Complex* y;
  std::size_t x_step, y_step;
  const float* twiddles;  // null in the last stage, where all are 1

  // Part by part: GCC takes a copy of the whole through memory.
  INLINE Complex in(std::size_t j) const { return {x[j * x_step].re, x[j * x_step].im}; }
  INLINE void out(std::size_t k, const Complex& v) const {
    const Complex turned = k > 0 && twiddles != nullptr ? times(v, twiddles + 2 * (k - 1)) : v;
    y[k * y_step].re = turned.re;
    y[k * y_step].im = turned.im;
  }
};

INLINE void butterfly2(const Port& port) {
  const Complex a = port.in(0), b = port.in(1);
  port.out(0, a + b);
  port.out(1, a - b);
}

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

INLINE void butterfly4(const Port& port) {
  const Complex a = port.in(0), b = port.in(1), c = port.in(2), d = port.in(3);
  const Complex even = a + c, odd = b + d, p = a - c, q = times_minus_i(b - d);
  port.out(0, even + odd);
  port.out(1, p + q);
  port.out(2, even - odd);
  port.out(3, p - q);
}

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

// Outputs k ... k + N - 1 and their mirrors, from sums and differences of mirrored inputs:
// X[k], X[r - k] = P -+ i Q, P = x0 + sum cos * (x[j] + x[r-j]), Q = sum sin * (x[j] - x[r-j]).
template <std::size_t N>
INLINE void mirrored_outputs(const Port& port, const Stage& stage, const Complex& x0,
                             const Complex* sums, const Complex* differences, std::size_t k) {
  const std::size_t half = stage.radix / 2;
  Complex p[N], q[N];
#pragma GCC unroll 4
  for (std::size_t i = 0; i < N; ++i) {
    p[i] = x0;
    q[i] = {V{}, V{}};
  }
  const float* roots = stage.roots + 2 * half * (k - 1);
  for (std::size_t j = 0; j < half; ++j) {
    const Complex sum = sums[j], difference = differences[j];
#pragma GCC unroll 4
    for (std::size_t i = 0; i < N; ++i) {
      const float c = roots[2 * (half * i + j)], s = roots[2 * (half * i + j) + 1];
      p[i].re += c * sum.re;
      p[i].im += c * sum.im;
      q[i].re += s * difference.re;
      q[i].im += s * difference.im;
    }
  }
#pragma GCC unroll 4
  for (std::size_t i = 0; i < N; ++i) {
    const Complex turned = times_minus_i(q[i]);
    port.out(k + i, p[i] + turned);
    port.out(stage.radix - k - i, p[i] - turned);
  }
}

// Any odd radix up to kMaxRadix.
INLINE void butterfly_odd(const Port& port, const Stage& stage) {
  Complex sums[kMaxRadix / 2], differences[kMaxRadix / 2];
  const std::size_t half = stage.radix / 2;
  const Complex x0 = port.in(0);
  Complex total = x0;
  for (std::size_t j = 0; j < half; ++j) {
    const Complex a = port.in(j + 1), b = port.in(stage.radix - j - 1);
    sums[j] = a + b;
    differences[j] = a - b;
    total = total + sums[j];
  }
  port.out(0, total);
  std::size_t k = 1;
  for (; k + kBlock <= half + 1; k += kBlock)
    mirrored_outputs<kBlock>(port, stage, x0, sums, differences, k);
  if (kBlock > 2 && k + 2 <= half + 1) {
    mirrored_outputs<2>(port, stage, x0, sums, differences, k);
    k += 2;
  }
  if (k <= half) mirrored_outputs<1>(port, stage, x0, sums, differences, k);
}

// Outputs k ... k + N - 1 of real inputs: as mirrored_outputs, all imaginary parts being 0.
template <std::size_t N>
INLINE void real_outputs(const Port& port, const Stage& stage, const V& x0, const V* sums,
                         const V* differences, std::size_t k) {
  const std::size_t half = stage.radix / 2;
  V p[N], q[N];
#pragma GCC unroll 4
  for (std::size_t i = 0; i < N; ++i) {
    p[i] = x0;
    q[i] = V{};
  }
  const float* roots = stage.roots + 2 * half * (k - 1);
  for (std::size_t j = 0; j < half; ++j) {
    const V sum = sums[j], difference = differences[j];
#pragma GCC unroll 4
    for (std::size_t i = 0; i < N; ++i) {
      p[i] += roots[2 * (half * i + j)] * sum;
      q[i] -= roots[2 * (half * i + j) + 1] * difference;
    }
  }
#pragma GCC unroll 4
  for (std::size_t i = 0; i < N; ++i) port.out(k + i, {p[i], q[i]});
}

}  // namespace
}  // namespace melspec::MELSPEC_ISA
