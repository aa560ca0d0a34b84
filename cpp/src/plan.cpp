#include "plan.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>

namespace melspec {
namespace {

using Point = std::complex<double>;

// exp(-2 pi i k / n); the angle is reduced first, so that it keeps its precision for any k.
Point root(std::size_t k, std::size_t n) {
  const long double angle = 2 * std::numbers::pi_v<long double> * static_cast<long double>(k % n) /
                            static_cast<long double>(n);
  return {static_cast<double>(std::cos(angle)), static_cast<double>(-std::sin(angle))};
}

void append(std::vector<float>& table, const Point& w) {
  table.push_back(static_cast<float>(w.real()));
  table.push_back(static_cast<float>(w.imag()));
}

// Radices of n: eights as far as they go round, small ones first; a large prime comes last.
std::vector<std::size_t> factorise(std::size_t n) {
  std::vector<std::size_t> radices;
  for (; n % 8 == 0 && n % 32 != 16; n /= 8) radices.push_back(8);
  for (const std::size_t r : {std::size_t{4}, std::size_t{2}}) {
    for (; n % r == 0; n /= r) radices.push_back(r);
  }
  for (std::size_t r = 3; n > 1; r += 2) {
    if (r * r > n) r = n;
    for (; n % r == 0; n /= r) radices.push_back(r);
  }
  return radices;
}

std::size_t largest_factor(std::size_t n) {
  std::size_t largest = 1;
  for (const std::size_t r : factorise(n)) largest = std::max(largest, r);
  return largest;
}

// A transform in double precision, for planning, of every `step`th point of x; all of x's length
// has small factors, and `roots` are its roots of one.
std::vector<Point> dft(const std::vector<Point>& x, const std::vector<Point>& roots,
                       std::size_t first = 0, std::size_t step = 1) {
  const std::size_t n = x.size() / step;
  if (n == 1) return {x[first]};
  const std::size_t r = factorise(n).back(), m = n / r;
  std::vector<Point> y(n);
  for (std::size_t j = 0; j < r; ++j) {
    const std::vector<Point> part = dft(x, roots, first + j * step, r * step);
    for (std::size_t k = 0; k < n; ++k) y[k] += part[k % m] * roots[j * k % n * step];
  }
  return y;
}

// 1, g, g^2 ... of the smallest g whose powers are all numbers below the prime r.
std::vector<std::int32_t> powers_of_generator(std::size_t r) {
  for (std::size_t g = 2;; ++g) {
    std::vector<std::int32_t> powers;
    for (std::size_t power = 1; powers.empty() || power != 1; power = power * g % r)
      powers.push_back(static_cast<std::int32_t>(power));
    if (powers.size() == r - 1) return powers;
  }
}

// What a prime's butterfly multiplies by, in the order of prime.h.
std::vector<float> prime_roots(std::size_t r, const std::vector<std::int32_t>& powers) {
  const std::size_t h = r / 2, n = h % 2 == 0 ? h / 2 : h;
  const auto at = [&](std::size_t t) {
    return std::conj(root(static_cast<std::size_t>(powers[t % (r - 1)]), r));
  };
  std::vector<float> roots;
  const auto add = [&](auto value) {
    for (std::size_t t = 0; t < 2 * n; ++t)
      roots.push_back(static_cast<float>(value(at(t), at(t + n))));
  };
  if (n == h) {
    add([](Point w, Point) { return w.real(); });
    add([](Point w, Point) { return w.imag(); });
  } else {
    add([](Point w, Point v) { return (w.real() + v.real()) / 2; });
    add([](Point w, Point v) { return (w.real() - v.real()) / 2; });
    add([](Point w, Point) { return w.imag(); });
    add([](Point w, Point v) { return v.imag() - w.imag(); });
    add([](Point w, Point v) { return w.imag() + v.imag(); });
  }
  return roots;
}

// The length of what is carried out for n points.
std::size_t carried_out(std::size_t n) {
  if (largest_factor(n) <= kMaxPrime) return n;
  std::size_t length = 2 * n - 1;
  while (largest_factor(length) > 8) ++length;
  return length;
}

// The divisor of n that makes both passes about equally long, so that each stays in the cache. A
// large prime is better off in the first pass, where two real columns share one transform.
std::size_t choose_rows(std::size_t n) {
  const std::size_t prime = largest_factor(n);
  if (prime > kMaxPrime) return prime < n ? prime : 1;
  const double ideal = std::sqrt(static_cast<double>(n) / 2);
  const auto distance = [ideal](std::size_t r) {
    return std::abs(std::log(static_cast<double>(r) / ideal));
  };
  std::size_t best = 1;
  for (std::size_t r = 2; r * r <= 2 * n; ++r)
    for (const std::size_t divisor : {r, n / r})
      if (n % r == 0 && distance(divisor) < distance(best)) best = divisor;
  return best;
}

}  // namespace

ColumnPlan::ColumnPlan(std::size_t n) : n_(n), length_(carried_out(n)) {
  std::size_t m = length_, s = 1;
  for (const std::size_t radix : factorise(length_)) {
    m /= radix;
    add_stage(radix, m, s);
    s *= radix;
  }
  if (length_ > n) add_chirp();
}

void ColumnPlan::add_stage(std::size_t radix, std::size_t m, std::size_t s) {
  std::vector<float> twiddles, roots;
  for (std::size_t p = 0; p < m; ++p)
    for (std::size_t k = 1; k < radix; ++k) append(twiddles, root(p * k, radix * m));
  std::vector<std::int32_t> order;
  if (radix == 7 || radix == 11 || radix == 13) {
    for (std::size_t j = 1; j <= radix / 2; ++j)
      roots.push_back(static_cast<float>(root(j, radix).real()));
    for (std::size_t j = 1; j <= radix / 2; ++j)
      roots.push_back(static_cast<float>(-root(j, radix).imag()));
  } else if (radix > 13) {
    order = powers_of_generator(radix);
    roots = prime_roots(radix, order);
  }
  stages_.push_back({radix, m, s, twiddles.data(), roots.data(), order.data()});
  tables_.push_back(std::move(twiddles));
  tables_.push_back(std::move(roots));
  orders_.push_back(std::move(order));
}

void ColumnPlan::add_chirp() {
  std::vector<Point> kernel(length_), roots;
  for (std::size_t k = 0; k < length_; ++k) roots.push_back(root(k, length_));
  for (std::size_t t = 0; t < n_; ++t) {
    const Point w = root(t * t, 2 * n_);
    append(chirp_, w);
    kernel[t] = std::conj(w);
    kernel[(length_ - t) % length_] = std::conj(w);
  }
  for (const Point& v : dft(kernel, roots)) append(response_, v / static_cast<double>(length_));
}

ColumnFft ColumnPlan::fft() const {
  return {n_,
          length_,
          stages_.size(),
          stages_.data(),
          chirp_.empty() ? nullptr : chirp_.data(),
          response_.data()};
}

TransformPlan::TransformPlan(std::size_t n, std::size_t lanes)
    : rows_(choose_rows(n)), columns_(n / rows_), first_(rows_), second_(columns_) {
  for (std::size_t p = 0; p < columns_; ++p)
    for (std::size_t k = 1; k <= rows_ / 2; ++k) append(twiddles_, 0.5 * root(p * k, n));
  const ColumnFft first = first_.fft(), second = second_.fft();
  std::size_t size = 0;
  const auto reserve = [&size, lanes](std::size_t vectors) {
    const std::size_t place = size;
    size += vectors * lanes;
    return place;
  };
  reserve(2 * columns_ * (rows_ / 2 + 1));  // the points between the passes
  const std::size_t tile = reserve(8 * rows_);
  const std::size_t longest = std::max(first.length, second.length);
  const std::size_t a = reserve(2 * longest), b = reserve(2 * longest);
  const std::size_t bins = reserve(2 * (n / 2 + 1) + lanes);
  passes_ = {rows_, columns_, first, second, twiddles_.data(), tile, {a, b}, bins};
  scratch_size_ = size;
}

}  // namespace melspec
