// Kernels that reduce along rows: a block takes one row after the other. Rows are contiguous.

// how: 0 softmax, 1 its logarithm, 2 softmax with zeros for rows of nothing but minus infinity.
extern "C" __global__ void softmax(const T* x, T* out, i64 rows, i64 width, int how) {
  for (i64 row = blockIdx.x; row < rows; row += gridDim.x) {
    const T* from = x + row * width;
    T* to = out + row * width;
    A top = lowest();
    for (i64 i = threadIdx.x; i < width; i += blockDim.x) top = larger((A)from[i], top);
    top = block_max(top);
    bool blind = how == 2 && top == lowest();
    if (blind) top = 0;
    A sum = 0;
    for (i64 i = threadIdx.x; i < width; i += blockDim.x) sum += exp((A)from[i] - top);
    sum = block_sum(sum);
    if (blind) sum = 1;
    A log_sum = how == 1 ? log(sum) : (A)0;
    for (i64 i = threadIdx.x; i < width; i += blockDim.x) {
      A away = (A)from[i] - top;
      to[i] = (T)(how == 1 ? away - log_sum : exp(away) / sum);
    }
  }
}

// (x - mean) * scale * weight + bias along rows; weight and bias may be null.
extern "C" __global__ void standardize(const T* x, const A* weight, const A* bias, T* out, A* means,
                                       A* scales, i64 rows, i64 width, A eps, int centred) {
  for (i64 row = blockIdx.x; row < rows; row += gridDim.x) {
    const T* from = x + row * width;
    A mean = 0;
    if (centred) {
      for (i64 i = threadIdx.x; i < width; i += blockDim.x) mean += (A)from[i];
      mean = block_sum(mean) / (A)width;
    }
    A square = 0;
    for (i64 i = threadIdx.x; i < width; i += blockDim.x) {
      A away = (A)from[i] - mean;
      square += away * away;
    }
    A scale = (A)1 / sqrt(block_sum(square) / (A)width + eps);
    if (!threadIdx.x) {
      scales[row] = scale;
      if (centred) means[row] = mean;
    }
    for (i64 i = threadIdx.x; i < width; i += blockDim.x) {
      A value = ((A)from[i] - mean) * scale;
      if (weight) value *= weight[i];
      if (bias) value += bias[i];
      out[row * width + i] = (T)value;
    }
  }
}

extern "C" __global__ void standardize_back(const T* g, const T* x, const A* weight, const A* means,
                                            const A* scales, T* out, i64 rows, i64 width,
                                            int centred) {
  for (i64 row = blockIdx.x; row < rows; row += gridDim.x) {
    A mean = centred ? means[row] : (A)0, scale = scales[row], along = 0, middle = 0;
    for (i64 i = threadIdx.x; i < width; i += blockDim.x) {
      A slope = (A)g[row * width + i] * (weight ? weight[i] : (A)1);
      along += slope * ((A)x[row * width + i] - mean) * scale;
      middle += slope;
    }
    along = block_sum(along) / (A)width;
    middle = centred ? block_sum(middle) / (A)width : (A)0;
    for (i64 i = threadIdx.x; i < width; i += blockDim.x) {
      A slope = (A)g[row * width + i] * (weight ? weight[i] : (A)1);
      A normal = ((A)x[row * width + i] - mean) * scale;
      out[row * width + i] = (T)((slope - middle - normal * along) * scale);
    }
  }
}

// The gradients of weight and bias: one thread adds up a column.
extern "C" __global__ void standardize_columns(const T* g, const T* x, const A* means,
                                               const A* scales, A* for_weight, A* for_bias,
                                               i64 rows, i64 width, int centred) {
  for (i64 i = first(); i < width; i += stride()) {
    A weight = 0, bias = 0;
    for (i64 row = 0; row < rows; ++row) {
      A slope = (A)g[row * width + i];
      weight += slope * ((A)x[row * width + i] - (centred ? means[row] : (A)0)) * scales[row];
      bias += slope;
    }
    if (for_weight) for_weight[i] = weight;
    if (for_bias) for_bias[i] = bias;
  }
}
