// Work on many things with several threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <future>
#include <vector>

namespace melspec {

// Call f(0) ... f(n - 1), each once, from at most n_threads threads, this one among them. After an
// exception nothing new is begun; when all threads have ended, it is thrown here.
template <typename F>
void parallel_for(std::size_t n, std::size_t n_threads, F f) {
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    try {
      for (std::size_t i; (i = next++) < n;) f(i);
    } catch (...) {
      next = n;
      throw;
    }
  };
  std::vector<std::future<void>> helpers;  // their destructors wait
  for (std::size_t i = 1; i < std::min(n_threads, n); ++i)
    helpers.push_back(std::async(std::launch::async, work));
  work();
  for (std::future<void>& helper : helpers) helper.get();
}

}  // namespace melspec
