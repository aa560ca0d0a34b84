// The butterfly of an odd prime radix r.
//
// Sums and differences of the inputs j and r - j give the outputs k and r - k:
//   X[k], X[r - k] = P[k] -+ i Q[k],
//   P[k] = x[0] + sum_j cos(2 pi j k / r) (x[j] + x[r - j]),
//   Q[k] =        sum_j sin(2 pi j k / r) (x[j] - x[r - j]),    j = 1 ... h = (r - 1) / 2.
// Taken in the order of powers of a generator g of the numbers modulo r (Rader 1968), j = g^a and
// k = g^b, cos and sin depend on a + b alone; when a + b grows by h, cos repeats itself and sin
// changes its sign. So if h is even, each sum falls into parts of half its length n = h / 2:
//   P[b] = U + V, P[b + n] = U - V,   with U, V from sums and differences of inputs a, a + n,
//   Q[b] = M + F, Q[b + n] = G - M,   three products for the four of a rotation:
//     M = A (d + e), F = (B - A) e, G = (A + B) d,   A, B = sin of a + b and of a + b + n,
// which takes 5 n^2 multiplications instead of 8 n^2.
#pragma once

#include "butterflies.h"

namespace melspec::MELSPEC_ISA {
namespace {

template <typename Port>
INLINE void mirrored_out(const Port& port, std::size_t k, std::size_t r, const Complex& p,
                         const Complex& q) {
  const Complex turned = times_minus_i(q);
  port.out(k, p + turned);
  port.out(r - k, p - turned);
}

// A small one, by the definition: all of it stays in registers. Roots: cos and sin, j = 1 ... h.
template <std::size_t R, typename Port>
INLINE void butterfly_small_prime(const Port& port, const Stage& stage) {
  constexpr std::size_t h = R / 2;
  const float *cos = stage.roots - 1, *sin = cos + h;
  const Complex x0 = port.in(0);
  Complex total = x0, sums[h], differences[h];
#pragma GCC unroll 6
  for (std::size_t j = 0; j < h; ++j) {
    const Complex a = port.in(j + 1), b = port.in(R - j - 1);
    sums[j] = a + b;
    differences[j] = a - b;
    total = total + sums[j];
  }
  port.out(0, total);
#pragma GCC unroll 6
  for (std::size_t k = 1; k <= h; ++k) {
    Complex p = x0, q = {V{}, V{}};
#pragma GCC unroll 6
    for (std::size_t j = 1; j <= h; ++j) {
      const std::size_t t = j * k % R;
      const float c = t <= h ? cos[t] : cos[R - t];
      p = {p.re + c * sums[j - 1].re, p.im + c * sums[j - 1].im};
      const Complex& d = differences[j - 1];
      if (t <= h) {
        q = {q.re + sin[t] * d.re, q.im + sin[t] * d.im};
      } else {
        q = {q.re - sin[R - t] * d.re, q.im - sin[R - t] * d.im};
      }
    }
    mirrored_out(port, k, R, p, q);
  }
}

// Outputs worked on together: as many as keep their sums in registers.
constexpr std::size_t kBlock = W == 16 ? 5 : 3;

// sums[m][b] = sum_a t[m][a + b] x[m][a], a = 0 ... n - 1; t has M rows of 2 n, x M rows of n.
template <std::size_t M, std::size_t N>
INLINE void hankel_products(const float* t, const Complex* x, std::size_t n,
                            Complex (&sums)[M][N]) {
  V re[M][N] = {}, im[M][N] = {};
  for (std::size_t a = 0; a < n; ++a) {
#pragma GCC unroll 3
    for (std::size_t m = 0; m < M; ++m) {
      const V x_re = x[m * n + a].re, x_im = x[m * n + a].im;
#pragma GCC unroll 8
      for (std::size_t b = 0; b < N; ++b) {
        re[m][b] += t[2 * m * n + a + b] * x_re;
        im[m][b] += t[2 * m * n + a + b] * x_im;
      }
    }
  }
#pragma GCC unroll 3
  for (std::size_t m = 0; m < M; ++m)
#pragma GCC unroll 8
    for (std::size_t b = 0; b < N; ++b) sums[m][b] = {re[m][b], im[m][b]};
}

// Outputs of the powers b ... b + N - 1 of the generator (and n further).
template <std::size_t N, typename Port>
void prime_outputs(const Port& port, const Stage& stage, const Complex& x0, const Complex* x,
                   std::size_t b) {
  const std::size_t r = stage.radix, h = r / 2, n = h % 2 == 0 ? h / 2 : h;
  const std::int32_t* k = stage.order + b;
  const float* t = stage.roots + b;
  if (n == h) {
    Complex pq[2][N];
    hankel_products(t, x, n, pq);
#pragma GCC unroll 8
    for (std::size_t i = 0; i < N; ++i)
      mirrored_out(port, static_cast<std::size_t>(k[i]), r, x0 + pq[0][i], pq[1][i]);
    return;
  }
  Complex uv[2][N], mfg[3][N];
  hankel_products(t, x, n, uv);
  hankel_products(t + 4 * n, x + 2 * n, n, mfg);
#pragma GCC unroll 8
  for (std::size_t i = 0; i < N; ++i) {
    const Complex u = x0 + uv[0][i], v = uv[1][i], m = mfg[0][i], f = mfg[1][i], g = mfg[2][i];
    mirrored_out(port, static_cast<std::size_t>(k[i]), r, u + v, m + f);
    mirrored_out(port, static_cast<std::size_t>(k[i + n]), r, u - v, g - m);
  }
}

template <std::size_t N, typename Port>
INLINE void prime_block(const Port& port, const Stage& stage, const Complex& x0, const Complex* x,
                        std::size_t b, std::size_t size) {
  if (size == N) return prime_outputs<N>(port, stage, x0, x, b);
  if constexpr (N > 1) prime_block<N - 1>(port, stage, x0, x, b, size);
}

template <typename Port>
INLINE void butterfly_prime(const Port& port, const Stage& stage) {
  const std::size_t r = stage.radix, h = r / 2, n = h % 2 == 0 ? h / 2 : h;
  const std::int32_t* j = stage.order;
  Complex x[5 * kMaxPrime / 4];
  const Complex x0 = port.in(0);
  Complex total = x0;
  for (std::size_t a = 0; a < n; ++a) {
    const auto first = static_cast<std::size_t>(j[a]);
    const Complex v = port.in(first), w = port.in(r - first);
    const Complex sum = v + w, d = v - w;
    if (n == h) {
      total = total + sum;
      x[a] = sum;
      x[n + a] = d;
      continue;
    }
    const auto second = static_cast<std::size_t>(j[a + n]);
    const Complex y = port.in(second), z = port.in(r - second);
    const Complex other = y + z, e = y - z;
    const Complex both = sum + other;
    total = total + both;
    x[a] = both;
    x[n + a] = sum - other;
    x[2 * n + a] = d + e;
    x[3 * n + a] = e;
    x[4 * n + a] = d;
  }
  port.out(0, total);
  const std::size_t n_blocks = (n + kBlock - 1) / kBlock;
  for (std::size_t i = 0; i < n_blocks; ++i) {
    const std::size_t b = i * n / n_blocks, end = (i + 1) * n / n_blocks;
    prime_block<kBlock>(port, stage, x0, x, b, end - b);
  }
}

}  // namespace
}  // namespace melspec::MELSPEC_ISA
