// Indices: checks, scatters that add up what meets, and negative log-likelihoods.
//
// `fault` is memory of the host that the device can write to: [what, index, size, dimension]. A bad
// index is replaced by a good one, so that nothing outside of an array is touched, and noted there;
// the host looks when it waits for the device the next time.

__device__ inline i64 noted(i64* fault, i64 index, i64 lowest, i64 size, i64 dim, i64 what) {
  if (index >= lowest && index < size) return index < 0 ? index + size : index;
  fault[1] = index;
  fault[2] = size;
  fault[3] = dim;
  *(volatile i64*)fault = what;
  return 0;
}

extern "C" __global__ void check_index(const i64* index, i64* out, i64 count, i64 lowest, i64 size,
                                       i64 dim, i64 what, i64* fault) {
  for (i64 i = first(); i < count; i += stride())
    out[i] = noted(fault, index[i], lowest, size, dim, what);
}

extern "C" __global__ void check_divisor(const unsigned char* zero, i64 count, i64* fault) {
  for (i64 i = first(); i < count; i += stride())
    if (zero[i]) *(volatile i64*)fault = 3;
}

#ifdef WIDE
// One number for another, of 4 or 8 bytes, by compare and swap.
template <int size> struct Word;
template <> struct Word<4> { typedef unsigned int type; };
template <> struct Word<8> { typedef u64 type; };

template <class Combine> __device__ inline void update(A* place, A value, Combine combine) {
  typedef typename Word<sizeof(A)>::type W;
  W before = *(volatile W*)place, seen;
  do {
    seen = before;
    A old, now;
    memcpy(&old, &seen, sizeof(A));
    now = combine(old, value);
    W wanted;
    memcpy(&wanted, &now, sizeof(A));
    before = atomicCAS((W*)place, seen, wanted);
  } while (before != seen);
}

struct Add { __device__ A operator()(A x, A y) const { return x + y; } };
struct Times { __device__ A operator()(A x, A y) const { return x * y; } };
struct Largest { __device__ A operator()(A x, A y) const { return larger(x, y); } };
struct Smallest {
  __device__ A operator()(A x, A y) const { return x != x || x < y ? x : y; }
};

// out[where[i] * width + j] op= values[i * width + j]; how: 0 add, 1 multiply, 2 max, 3 min.
extern "C" __global__ void scatter(A* out, const i64* where, const A* values, i64 count, i64 width,
                                   int how) {
  for (i64 at = first(); at < count * width; at += stride()) {
    A* place = out + where[at / width] * width + at % width;
    if (how == 0) update(place, values[at], Add());
    else if (how == 1) update(place, values[at], Times());
    else if (how == 2) update(place, values[at], Largest());
    else update(place, values[at], Smallest());
  }
}

// Losses of targets (N, L) in values (N, C, L), and the weight of each; `weight` may be null.
extern "C" __global__ void nll(const T* x, const i64* target, const A* weight, A* losses,
                               A* weights, i64 count, i64 classes, i64 inner, i64 ignore,
                               i64* fault) {
  for (i64 at = first(); at < count; at += stride()) {
    i64 chosen = target[at];
    if (chosen == ignore) {
      losses[at] = weights[at] = 0;
      continue;
    }
    chosen = noted(fault, chosen, 0, classes, 1, 2);
    A its = weight ? weight[chosen] : (A)1;
    weights[at] = its;
    losses[at] = -(A)x[(at / inner * classes + chosen) * inner + at % inner] * its;
  }
}

// `g` has one element, or one for each target where `each` is 1; `total` may be null.
extern "C" __global__ void nll_back(const A* g, const i64* target, const A* weight, const A* total,
                                    T* out, i64 count, i64 classes, i64 inner, i64 ignore,
                                    int each) {
  for (i64 at = first(); at < count; at += stride()) {
    i64 chosen = target[at];
    if (chosen == ignore || chosen < 0 || chosen >= classes) continue;
    A slope = -g[each ? at : 0] * (weight ? weight[chosen] : (A)1);
    if (total) slope /= total[0];
    out[(at / inner * classes + chosen) * inner + at % inner] = (T)slope;
  }
}

// Where `values` belong in sequences in order, one for each row; nan comes last.
__device__ inline bool before(A x, A y) { return x < y || (y != y && x == x); }

extern "C" __global__ void search(const A* sequence, const A* values, i64* out, i64 rows,
                                  i64 length, i64 width, int right) {
  for (i64 at = first(); at < rows * width; at += stride()) {
    const A* row = sequence + at / width * length;
    A value = values[at];
    i64 low = 0, high = length;
    while (low < high) {
      i64 middle = low + (high - low) / 2;
      bool beyond = right ? !before(value, row[middle]) : before(row[middle], value);
      if (beyond) low = middle + 1;
      else high = middle;
    }
    out[at] = low;
  }
}
#endif
