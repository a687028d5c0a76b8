// Maxima over windows of up to three dimensions; a thread takes one window. The first of equal
// elements wins, and a later nan beats all.

extern "C" __global__ void max_pool(const T* x, T* out, i64* indices, i64 images, int d0, int d1,
                                    int d2, int o0, int o1, int o2, int k0, int k1, int k2, int s0,
                                    int s1, int s2, int p0, int p1, int p2, int w0, int w1,
                                    int w2) {
  i64 windows = (i64)o0 * o1 * o2, size = (i64)d0 * d1 * d2;
  for (i64 at = first(); at < images * windows; at += stride()) {
    i64 window = at % windows;
    const T* image = x + at / windows * size;
    i64 a = window / ((i64)o1 * o2) * s0 - p0, b = window / o2 % o1 * s1 - p1;
    i64 c = window % o2 * s2 - p2, place = -1;
    A best = 0;
    for (int i = 0; i < k0; ++i)
      for (int j = 0; j < k1; ++j)
        for (int k = 0; k < k2; ++k) {
          i64 u = a + (i64)i * w0, v = b + (i64)j * w1, w = c + (i64)k * w2;
          if (u < 0 || u >= d0 || v < 0 || v >= d1 || w < 0 || w >= d2) continue;
          i64 here = (u * d1 + v) * d2 + w;
          A value = (A)image[here];
          if (place < 0 || value > best || value != value) {
            best = value;
            place = here;
          }
        }
    if (out) out[at] = (T)best;
    if (indices) indices[at] = place < 0 ? 0 : place;
  }
}
