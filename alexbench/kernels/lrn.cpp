// Local response normalization across channels, forward and backward, on the CPU.
//
//   d[c] = k + scale * sum over the window of x^2,   y[c] = x[c] * d[c]^-beta
//   dx[c] = g[c] * d[c]^-beta - 2 * beta * scale * x[c] * sum over the mirrored window of g x d^(-beta-1)
//
// Work is cut into blocks of `rows` x `length` values that fit in the cache, so every tensor is read
// once and written once. Channels-last: a row is one pixel and its values are the channels, the
// window runs along the row. NCHW: a row is one channel and its values are pixels, the window runs
// over rows. Either way the neighbour one channel on is `shift` scratch values away, and the scratch
// holds zeros where a window leaves the channels.
//
// Channels-last rows that do not fill a vector (few channels in a group) are copied with zeros between
// them into one long stretch, and the window runs along the whole of it.
//
// Each value is computed alone and in a fixed order: the bits depend neither on the number of threads
// nor (without contraction to fused multiply-adds) on the processor.
//
// The OpenMP runtime is the one that torch has already loaded: a second pool of threads would
// compete with torch's for the cores.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

struct Problem {
  int64_t images, channels, pixels, before, after;  // the window: c - before .. c + after
  double scale, beta, k;
  int channels_last, threads;
};

namespace {

// Measured: a channels-last block is best when it stays in the first-level cache, an NCHW one when its
// rows are long, because they lie a power of two apart in memory.
constexpr int64_t CHANNELS_LAST_PIXELS = 16, CHANNELS_FIRST_PIXELS = 256;

struct Block {
  int64_t rows, length, tensor_stride, scratch_stride, shift, offset;
};

// How a block lies in the tensor and in the scratch; `offset` finds its first value.
struct Layout {
  const Problem& p;
  int64_t block_pixels = p.channels_last ? CHANNELS_LAST_PIXELS : CHANNELS_FIRST_PIXELS;
  int64_t blocks_per_image = (p.pixels + block_pixels - 1) / block_pixels;
  int64_t blocks = p.images * blocks_per_image;
  int64_t padded_channels = p.channels + p.before + p.after;

  Block block(int64_t index) const {
    int64_t image = index / blocks_per_image;
    int64_t first = index % blocks_per_image * block_pixels;
    int64_t count = std::min(block_pixels, p.pixels - first);
    int64_t start = image * p.channels * p.pixels;
    if (p.channels_last)
      return {count, p.channels, p.channels, padded_channels, 1, start + first * p.channels};
    return {p.channels, count, p.pixels, block_pixels, block_pixels, start + first};
  }

  int64_t scratch_values() const { return padded_channels * block_pixels; }
};

// d^-beta in `power`, 1 / d in `inverse`; the paper's beta needs roots alone.
template <bool THREE_QUARTERS, class T>
inline void powers(T d, T beta, T& power, T& inverse) {
  if (THREE_QUARTERS) {
    T root = T(1) / std::sqrt(d);
    power = root * std::sqrt(root);
    inverse = root * root;
  } else {
    power = std::pow(d, -beta);
    inverse = T(1) / d;
  }
}

template <int SIZE, class T>
inline T window_sum(const Problem& p, const T* first, int64_t shift) {
  const int64_t size = SIZE ? SIZE : p.before + 1 + p.after;
  T sum = first[0];
  for (int64_t j = 1; j < size; ++j) sum += first[j * shift];
  return sum;
}

template <class T>
void square(const Block& b, const T* __restrict x, T* __restrict squares) {
  for (int64_t r = 0; r < b.rows; ++r)
    for (int64_t i = 0; i < b.length; ++i) {
      T value = x[r * b.tensor_stride + i];
      squares[r * b.scratch_stride + i] = value * value;
    }
}

template <int SIZE, bool THREE_QUARTERS, class T>
void forward_block(const Problem& p, const Block& b, const T* __restrict x, T* __restrict y,
                   T* __restrict squares) {
  const T scale = T(p.scale), beta = T(p.beta), k = T(p.k);
  square(b, x, squares + p.before * b.shift);
  for (int64_t r = 0; r < b.rows; ++r)
    for (int64_t i = 0; i < b.length; ++i) {
      T sum = window_sum<SIZE>(p, squares + r * b.scratch_stride + i, b.shift);
      T power, inverse;
      powers<THREE_QUARTERS>(k + scale * sum, beta, power, inverse);
      y[r * b.tensor_stride + i] = x[r * b.tensor_stride + i] * power;
    }
}

template <int SIZE, bool THREE_QUARTERS, class T>
void backward_block(const Problem& p, const Block& b, const T* __restrict x, const T* __restrict g,
                    T* __restrict dx, T* __restrict squares, T* __restrict terms) {
  const T scale = T(p.scale), beta = T(p.beta), k = T(p.k), factor = T(2 * p.beta * p.scale);
  T* own_terms = terms + p.after * b.shift;
  square(b, x, squares + p.before * b.shift);
  for (int64_t r = 0; r < b.rows; ++r)
    for (int64_t i = 0; i < b.length; ++i) {
      const int64_t at = r * b.tensor_stride + i, in_scratch = r * b.scratch_stride + i;
      T sum = window_sum<SIZE>(p, squares + in_scratch, b.shift);
      T power, inverse;
      powers<THREE_QUARTERS>(k + scale * sum, beta, power, inverse);
      T direct = g[at] * power;
      dx[at] = direct;
      own_terms[in_scratch] = direct * x[at] * inverse;
    }
  for (int64_t r = 0; r < b.rows; ++r)
    for (int64_t i = 0; i < b.length; ++i) {
      const int64_t at = r * b.tensor_stride + i;
      T sum = window_sum<SIZE>(p, terms + r * b.scratch_stride + i, b.shift);
      dx[at] -= factor * x[at] * sum;
    }
}

// A row that does not fill a vector goes into a stretch. Measured: 400 values stay in the first-level
// cache, and its arrays do not lie a page apart.
#ifdef __AVX512F__
constexpr int64_t VECTOR_BYTES = 64;
#else
constexpr int64_t VECTOR_BYTES = 32;
#endif
constexpr int64_t STRETCH_VALUES = 400, CHUNK = 4;

// `rows` short rows with `gap` zeros behind each: a window that leaves its row meets zeros.
struct Stretch {
  int64_t rows, channels, gap;
  int64_t padded() const { return channels + gap; }
  int64_t length() const { return rows * padded(); }
};

// Copies rows of up to CHUNKS * CHUNK values. All but the last rows are copied in whole chunks: what
// runs over is mended by the next row. Behind the last rows lies another block, or no tensor at all.
template <int CHUNKS, class T>
void copy_rows(const T* from, int64_t from_stride, T* to, int64_t to_stride, const Stretch& s) {
  const int64_t loose = std::max<int64_t>(s.rows - CHUNK, 0);
  for (int64_t r = 0; r < loose; ++r, from += from_stride, to += to_stride)
    for (int64_t i = 0; i < CHUNKS; ++i)
      std::memcpy(to + i * CHUNK, from + i * CHUNK, CHUNK * sizeof(T));
  for (int64_t r = loose; r < s.rows; ++r, from += from_stride, to += to_stride)
    for (int64_t i = 0; i < s.channels; ++i) to[i] = from[i];
}

template <class T>
void copy_rows(const T* from, int64_t from_stride, T* to, int64_t to_stride, const Stretch& s) {
  switch ((s.channels + CHUNK - 1) / CHUNK) {
    case 1: return copy_rows<1>(from, from_stride, to, to_stride, s);
    case 2: return copy_rows<2>(from, from_stride, to, to_stride, s);
    case 3: return copy_rows<3>(from, from_stride, to, to_stride, s);
    default: return copy_rows<4>(from, from_stride, to, to_stride, s);
  }
}

template <class T>
void fill_gaps(const Stretch& s, T* stretch) {
  for (int64_t r = 0; r < s.rows; ++r)
    for (int64_t i = s.channels; i < s.padded(); ++i) stretch[r * s.padded() + i] = T(0);
}

template <class T>
void gather(const Stretch& s, const T* rows, T* stretch) {
  copy_rows(rows, s.channels, stretch, s.padded(), s);
  fill_gaps(s, stretch);
}

template <class T>
void scatter(const Stretch& s, const T* stretch, T* rows) {
  copy_rows(stretch, s.padded(), rows, s.channels, s);
}

// Scratch of one thread; zeros lie before and behind what a block writes.
template <class T>
struct StretchScratch {
  std::vector<T> values, squares, gradients, terms, results;
  explicit StretchScratch(int64_t count)
      : values(count), squares(count), gradients(count), terms(count), results(count) {}
};

template <int SIZE, bool THREE_QUARTERS, class T>
void stretch_block(const Problem& p, const Stretch& s, const T* x, const T* g, T* out,
                   StretchScratch<T>& scratch) {
  const T scale = T(p.scale), beta = T(p.beta), k = T(p.k), factor = T(2 * p.beta * p.scale);
  const int64_t length = s.length();
  T* __restrict values = scratch.values.data();
  T* __restrict squares = scratch.squares.data();
  T* __restrict gradients = scratch.gradients.data();
  T* __restrict terms = scratch.terms.data() + p.after;
  T* __restrict results = scratch.results.data();
  gather(s, x, values);
  for (int64_t i = 0; i < length; ++i) squares[p.before + i] = values[i] * values[i];
  for (int64_t i = 0; i < p.after; ++i) squares[p.before + length + i] = T(0);
  if (!g) {
    for (int64_t i = 0; i < length; ++i) {
      T power, inverse;
      powers<THREE_QUARTERS>(k + scale * window_sum<SIZE>(p, squares + i, 1), beta, power, inverse);
      results[i] = values[i] * power;
    }
    return scatter(s, results, out);
  }
  gather(s, g, gradients);
  for (int64_t i = 0; i < length; ++i) {
    T power, inverse;
    powers<THREE_QUARTERS>(k + scale * window_sum<SIZE>(p, squares + i, 1), beta, power, inverse);
    results[i] = gradients[i] * power;
    terms[i] = results[i] * values[i] * inverse;
  }
  fill_gaps(s, terms);  // a NaN stays in its own row
  for (int64_t i = 0; i < p.before; ++i) terms[length + i] = T(0);
  for (int64_t i = 0; i < length; ++i)
    results[i] -= factor * values[i] * window_sum<SIZE>(p, terms - p.after + i, 1);
  scatter(s, results, out);
}

template <int SIZE, bool THREE_QUARTERS, class T>
void run_stretches(const Problem& p, const T* x, const T* g, T* out) {
  const int64_t gap = std::max(p.before, p.after), total = p.images * p.pixels;
  const int64_t rows = std::max<int64_t>(STRETCH_VALUES / (p.channels + gap), 1);
  const int64_t blocks = (total + rows - 1) / rows;
#pragma omp parallel num_threads(p.threads)
  {
    StretchScratch<T> scratch((rows + CHUNK) * (p.channels + gap) + p.before + p.after + CHUNK);
#pragma omp for schedule(static)
    for (int64_t index = 0; index < blocks; ++index) {
      const int64_t first = index * rows, at = first * p.channels;
      const Stretch s{std::min(rows, total - first), p.channels, gap};
      stretch_block<SIZE, THREE_QUARTERS>(p, s, x + at, g ? g + at : nullptr, out + at, scratch);
    }
  }
}

template <int SIZE, bool THREE_QUARTERS, class T>
void run(const Problem& p, const T* x, const T* g, T* out) {
  if (p.channels_last && p.channels * int64_t(sizeof(T)) < VECTOR_BYTES)
    return run_stretches<SIZE, THREE_QUARTERS>(p, x, g, out);
  const Layout layout{p};
#pragma omp parallel num_threads(p.threads)
  {
    std::vector<T> squares(layout.scratch_values()), terms(g ? layout.scratch_values() : 0);
#pragma omp for schedule(static)
    for (int64_t index = 0; index < layout.blocks; ++index) {
      const Block b = layout.block(index);
      if (g)
        backward_block<SIZE, THREE_QUARTERS>(p, b, x + b.offset, g + b.offset, out + b.offset,
                                             squares.data(), terms.data());
      else
        forward_block<SIZE, THREE_QUARTERS>(p, b, x + b.offset, out + b.offset, squares.data());
    }
  }
}

template <int SIZE, class T>
void choose_power(const Problem& p, const T* x, const T* g, T* out) {
  if (p.beta == 0.75) run<SIZE, true>(p, x, g, out);
  else run<SIZE, false>(p, x, g, out);
}

template <class T>
void choose_size(const Problem& p, const T* x, const T* g, T* out) {
  const int64_t size = p.before + 1 + p.after;
  if (size == 5) choose_power<5>(p, x, g, out);
  else if (size == 9) choose_power<9>(p, x, g, out);
  else choose_power<0>(p, x, g, out);
}

}  // namespace

// g null: the forward pass, out = y. Otherwise the backward pass, out = dx.
extern "C" void lrn_float(const Problem* p, const float* x, const float* g, float* out) {
  choose_size(*p, x, g, out);
}

extern "C" void lrn_double(const Problem* p, const double* x, const double* g, double* out) {
  choose_size(*p, x, g, out);
}
