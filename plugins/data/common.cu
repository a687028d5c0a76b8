// What all kernels share. A file is compiled once for each type of its arrays: T is what they hold,
// A what is computed with; both come from the command line, as -DHELD=float -DWIDE=float.
//
// Blocks share work only through block_sum and block_max, which are right for any power of two of
// threads, one included: tests/plugins/cupy_stand_in runs this very text on the processor.

typedef unsigned short half_bits;
typedef unsigned long long u64;
typedef long long i64;

// float16 and bfloat16 as their bits, so that no header of the CUDA toolkit is needed.
struct bfloat {
  half_bits bits;
  __device__ bfloat() {}
  __device__ bfloat(float x) {
    unsigned int word;
    memcpy(&word, &x, 4);
    bool nan = (word & 0x7fffffffu) > 0x7f800000u;
    unsigned int even = (word + 0x7fffu + ((word >> 16) & 1u)) >> 16;
    bits = nan ? (half_bits)((word >> 16) | 0x40u) : (half_bits)even;
  }
  __device__ operator float() const {
    unsigned int word = (unsigned int)bits << 16;
    float x;
    memcpy(&x, &word, 4);
    return x;
  }
};

struct half_t {
  half_bits bits;
  __device__ half_t() {}
#ifdef __CUDA_ARCH__
  __device__ half_t(float x) { asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x)); }
  __device__ operator float() const {
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
    return x;
  }
#else
  __device__ half_t(float x) {
    _Float16 narrow = (_Float16)x;
    memcpy(&bits, &narrow, 2);
  }
  __device__ operator float() const {
    _Float16 narrow;
    memcpy(&narrow, &bits, 2);
    return (float)narrow;
  }
#endif
};

// Work is dealt out in strides, so that any grid and any block will do.
__device__ inline i64 first() { return (i64)blockIdx.x * blockDim.x + threadIdx.x; }
__device__ inline i64 stride() { return (i64)blockDim.x * gridDim.x; }

#ifdef WIDE
typedef HELD T;
typedef WIDE A;

__device__ inline A lowest() { return (A)__longlong_as_double(0xfff0000000000000ull); }
__device__ inline A larger(A x, A y) { return x != x || x > y ? x : y; }  // nan wins

// The sum over a block of one number from each thread, for all of them.
__device__ inline A block_sum(A x) {
  __shared__ A places[1024];
  __syncthreads();
  places[threadIdx.x] = x;
  __syncthreads();
  for (unsigned int half = blockDim.x / 2; half; half /= 2) {
    if (threadIdx.x < half) places[threadIdx.x] += places[threadIdx.x + half];
    __syncthreads();
  }
  return places[0];
}

__device__ inline A block_max(A x) {
  __shared__ A places[1024];
  __syncthreads();
  places[threadIdx.x] = x;
  __syncthreads();
  for (unsigned int half = blockDim.x / 2; half; half /= 2) {
    if (threadIdx.x < half)
      places[threadIdx.x] = larger(places[threadIdx.x + half], places[threadIdx.x]);
    __syncthreads();
  }
  return places[0];
}
#endif
