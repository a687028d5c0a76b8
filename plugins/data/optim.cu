// A step of an optimizer for many parameters at once. The pointers come by value, in a structure
// as numpy.dtype in plugins/cupy_optim.py describes it; blocks are dealt out over all parameters.

#define MOST 36

struct Tensors {
  i64 count[MOST];
  T* param[MOST];
  const T* grad[MOST];
  T* state[3][MOST];
};

struct Settings {
  double lr, decay, a, b, eps, correction1, correction2;
  i64 number;  // of parameters
  i64 flags;   // 1: maximize, 2: decoupled decay, 4: amsgrad's third state, or nesterov
};

__device__ inline A gradient(const Settings& s, A g, A p) {
  if (s.flags & 1) g = -g;
  return s.flags & 2 ? g : g + p * (A)s.decay;
}

// a, b: the two betas.
extern "C" __global__ void adam(Tensors t, Settings s) {
  for (i64 n = blockIdx.y; n < s.number; n += gridDim.y)
    for (i64 i = first(); i < t.count[n]; i += stride()) {
      A p = (A)t.param[n][i], g = gradient(s, (A)t.grad[n][i], p);
      A average = (A)t.state[0][n][i] * (A)s.a + g * (A)(1 - s.a);
      A square = (A)t.state[1][n][i] * (A)s.b + g * g * (A)(1 - s.b);
      t.state[0][n][i] = (T)average;
      t.state[1][n][i] = (T)square;
      if (s.flags & 4) {
        square = larger((A)t.state[2][n][i], square);
        t.state[2][n][i] = (T)square;
      }
      A root = (A)sqrt(s.correction2), rate = (A)(s.lr * sqrt(s.correction2) / s.correction1);
      A step = average / (sqrt(square) + (A)s.eps * root) * rate;
      if (s.flags & 2) step += p * (A)(s.decay * s.lr);
      t.param[n][i] = (T)(p - step);
    }
}

// a: momentum, 0 for none; b: dampening.
extern "C" __global__ void sgd(Tensors t, Settings s) {
  for (i64 n = blockIdx.y; n < s.number; n += gridDim.y)
    for (i64 i = first(); i < t.count[n]; i += stride()) {
      A p = (A)t.param[n][i], g = gradient(s, (A)t.grad[n][i], p);
      if (s.a != 0) {
        A kept = (A)t.state[0][n][i] * (A)s.a + g * (A)(1 - s.b);
        t.state[0][n][i] = (T)kept;
        g = s.flags & 4 ? g + kept * (A)s.a : kept;
      }
      t.param[n][i] = (T)(p - g * (A)s.lr);
    }
}
