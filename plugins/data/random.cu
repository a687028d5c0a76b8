// Philox4x64-10 in the order of NumPy's bit generator; see Note [Random numbers] in
// backends/random.py. One thread makes the four words of a block.

extern "C" __global__ void philox(u64* out, i64 words, u64 key0, u64 key1, u64 low, u64 high) {
  for (i64 block = first(); block * 4 < words; block += stride()) {
    // NumPy counts up before it draws.
    u64 x[4] = {low + (u64)block + 1, high, 0, 0};
    if (x[0] <= (u64)block) x[1] += 1;
    if (!x[1] && high == ~0ull) x[2] = 1;
    u64 k0 = key0, k1 = key1;
    for (int round = 0; round < 10; ++round) {
      u64 a = x[0] * 0xD2E7470EE14C6C93ull, b = x[2] * 0xCA5A826395121157ull;
      u64 upper_a = __umul64hi(x[0], 0xD2E7470EE14C6C93ull);
      u64 upper_b = __umul64hi(x[2], 0xCA5A826395121157ull);
      x[0] = upper_b ^ x[1] ^ k0;
      x[1] = b;
      x[2] = upper_a ^ x[3] ^ k1;
      x[3] = a;
      k0 += 0x9E3779B97F4A7C15ull;
      k1 += 0xBB67AE8584CAA73Bull;
    }
    for (int i = 0; i < 4; ++i)
      if (block * 4 + i < words) out[block * 4 + i] = x[i];
  }
}
