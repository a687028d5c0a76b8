// Enough of CUDA to run kernels on the processor: blocks one after the other, the threads of a block
// at the same time.
#include <barrier>
#include <cmath>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#define __global__
#define __device__
#define __shared__ static

using std::erf;
using std::exp;
using std::fabs;
using std::log;
using std::sqrt;
using std::tanh;

struct Place {
  unsigned int x = 0, y = 0, z = 0;
};
static Place blockDim, gridDim;
static thread_local Place threadIdx, blockIdx;
static std::unique_ptr<std::barrier<>> meeting;

inline void __syncthreads() {
  if (meeting) meeting->arrive_and_wait();
}

inline unsigned long long __umul64hi(unsigned long long x, unsigned long long y) {
  return (unsigned long long)(((unsigned __int128)x * y) >> 64);
}

inline double __longlong_as_double(unsigned long long word) {
  double x;
  memcpy(&x, &word, 8);
  return x;
}

template <class W> inline W atomicCAS(W* place, W expected, W wanted) {
  __atomic_compare_exchange_n(place, &expected, wanted, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  return expected;
}

template <class Body> void run(unsigned int gx, unsigned int gy, unsigned int bx, Body body) {
  gridDim = Place{gx, gy, 1};
  blockDim = Place{bx, 1, 1};
  for (unsigned int y = 0; y < gy; ++y)
    for (unsigned int x = 0; x < gx; ++x) {
      if (bx == 1) {
        threadIdx = Place{}, blockIdx = Place{x, y, 0};
        body();
        continue;
      }
      meeting = std::make_unique<std::barrier<>>(bx);
      std::vector<std::thread> threads;
      for (unsigned int t = 0; t < bx; ++t)
        threads.emplace_back([=] {
          threadIdx = Place{t, 0, 0}, blockIdx = Place{x, y, 0};
          body();
        });
      for (auto& thread : threads) thread.join();
      meeting.reset();
    }
}
