// Local response normalization across channels, forward and backward, on the CPU.
//
//   d[c] = k + scale * sum over the window of x^2,   y[c] = x[c] * d[c]^-beta
//   dx[c] = g[c] * d[c]^-beta - 2 * beta * scale * x[c] * sum over the mirrored window of g x d^(-beta-1)
//
// With `rectify` x stands for max(x, 0), and dx is 0 where x is not above 0: a ReLU and the
// normalization of its output in one pass over memory.
//
// Work is cut into blocks of `rows` x `length` values that fit in the cache, so every tensor is read
// once and written once. Channels-last: a row is one pixel and its values are the channels, the
// window runs along the row. NCHW: a row is one channel and its values are pixels, the window runs
// over rows. Either way the neighbour one channel on is `shift` scratch values away, and the scratch
// holds zeros where a window leaves the channels.
//
// Channels-last rows of few channels are taken as they lie, side by side, and the window runs along all
// of them: masks, the same for every block, leave out what belongs to another row.
//
// bfloat16 is a form of storage: values widen to float32 as they are read, and what is written is
// rounded once, to nearest even.
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
#include <type_traits>
#include <vector>

struct Problem {
  int64_t images, channels, pixels, before, after;  // the window: c - before .. c + after
  double scale, beta, k;
  int channels_last, rectify, threads;
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
      return {count, p.channels, p.channels, padded_channels, shift(), start + first * p.channels};
    return {p.channels, count, p.pixels, block_pixels, shift(), start + first};
  }

  int64_t shift() const { return p.channels_last ? 1 : block_pixels; }

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

// The sum over the window whose first value is given, `shift` apart.
template <int SIZE, class T>
struct Window {
  int64_t size, shift;
  T operator()(const T* first, int64_t) const {
    T sum = first[0];
    for (int64_t j = 1; j < (SIZE ? SIZE : size); ++j) sum += first[j * shift];
    return sum;
  }
};

struct BFloat16 {
  uint16_t bits;
};

// What values of storage are computed in.
template <class S>
struct Computed {
  using type = S;
};
template <>
struct Computed<BFloat16> {
  using type = float;
};
template <class S>
using computed_t = typename Computed<S>::type;

template <class S>
inline S widen(S value) { return value; }

inline float widen(BFloat16 value) {
  const uint32_t bits = uint32_t(value.bits) << 16;
  float wide;
  std::memcpy(&wide, &bits, sizeof wide);
  return wide;
}

template <class S>
inline void write(S value, S& to) { to = value; }

inline void write(float value, BFloat16& to) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  to.bits = uint16_t(value == value ? rounded : 0x7fc0);
}

// x, or max(x, 0); what is not a number stays so.
template <bool RECTIFY, class S>
inline computed_t<S> read(S stored) {
  const computed_t<S> x = widen(stored);
  return RECTIFY && x < 0 ? 0 : x;
}

// Where the backward pass keeps the first term of a value of dx: in dx, or beside it where that would
// round it.
template <class T>
inline T& first_term(T* dx, int64_t at, T*, int64_t) { return dx[at]; }

inline float& first_term(BFloat16*, int64_t, float* scratch, int64_t in_scratch) {
  return scratch[in_scratch];
}

template <bool RECTIFY, class S, class T>
void square(const Block& b, const S* __restrict x, T* __restrict squares) {
  for (int64_t r = 0; r < b.rows; ++r)
    for (int64_t i = 0; i < b.length; ++i) {
      T value = read<RECTIFY>(x[r * b.tensor_stride + i]);
      squares[r * b.scratch_stride + i] = value * value;
    }
}

template <bool THREE_QUARTERS, bool RECTIFY, class S, class T, class Sum>
void forward_block(const Problem& p, const Block& b, const Sum& window_sum, const S* __restrict x,
                   S* __restrict y, T* __restrict squares) {
  const T scale = T(p.scale), beta = T(p.beta), k = T(p.k);
  square<RECTIFY>(b, x, squares + p.before * b.shift);
  for (int64_t r = 0; r < b.rows; ++r)
    for (int64_t i = 0; i < b.length; ++i) {
      const int64_t at = r * b.tensor_stride + i;
      T sum = window_sum(squares + r * b.scratch_stride + i, i);
      T power, inverse;
      powers<THREE_QUARTERS>(k + scale * sum, beta, power, inverse);
      write(read<RECTIFY>(x[at]) * power, y[at]);
    }
}

template <bool THREE_QUARTERS, bool RECTIFY, class S, class T, class Sum>
void backward_block(const Problem& p, const Block& b, const Sum& window_sum,
                    const Sum& mirrored_sum, const S* __restrict x, const S* __restrict g,
                    S* __restrict dx, T* __restrict squares, T* __restrict terms,
                    T* __restrict kept) {
  const T scale = T(p.scale), beta = T(p.beta), k = T(p.k), factor = T(2 * p.beta * p.scale);
  T* own_terms = terms + p.after * b.shift;
  square<RECTIFY>(b, x, squares + p.before * b.shift);
  for (int64_t r = 0; r < b.rows; ++r)
    for (int64_t i = 0; i < b.length; ++i) {
      const int64_t at = r * b.tensor_stride + i, in_scratch = r * b.scratch_stride + i;
      T sum = window_sum(squares + in_scratch, i);
      T power, inverse;
      powers<THREE_QUARTERS>(k + scale * sum, beta, power, inverse);
      const T direct = widen(g[at]) * power;
      first_term(dx, at, kept, in_scratch) = direct;
      own_terms[in_scratch] = direct * read<RECTIFY>(x[at]) * inverse;
    }
  for (int64_t r = 0; r < b.rows; ++r)
    for (int64_t i = 0; i < b.length; ++i) {
      const int64_t at = r * b.tensor_stride + i, in_scratch = r * b.scratch_stride + i;
      T sum = mirrored_sum(terms + in_scratch, i);
      const T value = widen(x[at]);
      const T slope = first_term(dx, at, kept, in_scratch) - factor * value * sum;
      write(RECTIFY && value <= 0 ? T(0) : slope, dx[at]);
    }
}

#ifdef __AVX512F__
constexpr int64_t VECTOR_BYTES = 64;
#else
constexpr int64_t VECTOR_BYTES = 32;
#endif
// Measured: shorter rows, and those that end within a vector, are faster side by side.
constexpr int64_t SHORT_ROW_BYTES = 2 * VECTOR_BYTES, LONG_ROW_CHANNELS = 64;
constexpr int64_t SIDE_BY_SIDE_VALUES = 192;

template <class T>
bool side_by_side(const Problem& p) {
  const int64_t bytes = p.channels * int64_t(sizeof(T));
  return p.channels_last && (bytes < SHORT_ROW_BYTES ||
                             (bytes % VECTOR_BYTES && p.channels < LONG_ROW_CHANNELS));
}

// As wide as the value that it masks, so that both fill vectors alike.
template <class T>
using Mask = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;

// For each value of `length` (whole rows), whether the j-th one of its window lies in its own row.
template <class T>
std::vector<Mask<T>> own_row(const Problem& p, int64_t before, int64_t length) {
  std::vector<Mask<T>> own;
  for (int64_t j = -before; j <= p.before + p.after - before; ++j)
    for (int64_t i = 0; i < length; ++i) {
      const int64_t channel = i % p.channels + j;
      own.push_back(channel >= 0 && channel < p.channels);
    }
  return own;
}

// The same over rows that lie side by side, for the i-th value of a block: what is masked counts as a
// zero, be it NaN. A SIZE is odd, and its middle is the value itself.
template <int SIZE, class T>
struct OwnWindow {
  int64_t size, length;
  const Mask<T>* own;
  T operator()(const T* first, int64_t i) const {
    T sum = own[i] ? first[0] : T(0);
    for (int64_t j = 1; j < (SIZE ? SIZE : size); ++j)
      sum += (SIZE && j == SIZE / 2) || own[j * length + i] ? first[j] : T(0);
    return sum;
  }
};

// Measured: rows side by side are faster when a block is asked for while the one before is computed;
// longer blocks lose by it. Inlined, as a compiler drops the call of a function that does only this.
template <class S>
__attribute__((always_inline)) inline void prefetch(const Block& next, const S* x, const S* g,
                                                    S* out) {
  if (next.rows != 1) return;
  for (int64_t i = next.offset; i < next.offset + next.length; i += 64 / int64_t(sizeof(S))) {
    __builtin_prefetch(x + i);
    if (g) __builtin_prefetch(g + i);
    __builtin_prefetch(out + i, 1);
  }
}

// Either pass, block by block; the scratch of a thread holds a block and what windows reach beyond it.
template <bool THREE_QUARTERS, bool RECTIFY, class S, class Sum, class BlockAt>
void run_blocks(const Problem& p, int64_t blocks, int64_t scratch_values, const BlockAt& block_at,
                const Sum& window_sum, const Sum& mirrored_sum, const S* x, const S* g, S* out) {
#pragma omp parallel num_threads(p.threads)
  {
    using T = computed_t<S>;
    std::vector<T> squares(scratch_values), terms(g ? scratch_values : 0),
        kept(g ? scratch_values : 0);
#pragma omp for schedule(static)
    for (int64_t index = 0; index < blocks; ++index) {
      const Block b = block_at(index);
      if (index + 1 < blocks) prefetch(block_at(index + 1), x, g, out);
      if (g)
        backward_block<THREE_QUARTERS, RECTIFY>(
            p, b, window_sum, mirrored_sum, x + b.offset, g + b.offset, out + b.offset,
            squares.data(), terms.data(), kept.data());
      else
        forward_block<THREE_QUARTERS, RECTIFY>(p, b, window_sum, x + b.offset, out + b.offset,
                                               squares.data());
    }
  }
}

template <int SIZE, bool THREE_QUARTERS, bool RECTIFY, class S>
void run(const Problem& p, const S* x, const S* g, S* out) {
  using T = computed_t<S>;
  const int64_t size = p.before + 1 + p.after;
  if (!side_by_side<T>(p)) {
    const Layout layout{p};
    const Window<SIZE, T> sum{size, layout.shift()};
    return run_blocks<THREE_QUARTERS, RECTIFY>(
        p, layout.blocks, layout.scratch_values(),
        [&](int64_t index) { return layout.block(index); }, sum, sum, x, g, out);
  }
  const int64_t values = p.images * p.pixels * p.channels;
  const int64_t length = std::max<int64_t>(SIDE_BY_SIDE_VALUES / p.channels, 1) * p.channels;
  const auto own = own_row<T>(p, p.before, length), mirrored = own_row<T>(p, p.after, length);
  const auto block_at = [&](int64_t index) {
    const int64_t at = index * length, count = std::min(length, values - at);
    return Block{1, count, count, count, 1, at};
  };
  run_blocks<THREE_QUARTERS, RECTIFY>(
      p, (values + length - 1) / length, length + size - 1, block_at,
      OwnWindow<SIZE, T>{size, length, own.data()},
      OwnWindow<SIZE, T>{size, length, mirrored.data()}, x, g, out);
}

// Sizes that ship, with the paper's beta, are compiled apart; for no double, so that a build takes
// seconds.
template <bool RECTIFY, class S>
void choose_size(const Problem& p, const S* x, const S* g, S* out) {
  const int64_t size = p.before + 1 + p.after;
  if (p.beta != 0.75) return run<0, false, RECTIFY>(p, x, g, out);
  if constexpr (!std::is_same_v<S, double>) {
    if (size == 3) return run<3, true, RECTIFY>(p, x, g, out);
    if (size == 5) return run<5, true, RECTIFY>(p, x, g, out);
    if (size == 9) return run<9, true, RECTIFY>(p, x, g, out);
  }
  run<0, true, RECTIFY>(p, x, g, out);
}

template <class S>
void choose(const Problem& p, const void* x, const void* g, void* out) {
  const auto in = static_cast<const S*>(x), gradient = static_cast<const S*>(g);
  const auto result = static_cast<S*>(out);
  if (p.rectify) choose_size<true>(p, in, gradient, result);
  else choose_size<false>(p, in, gradient, result);
}

}  // namespace

// g null: the forward pass, out = y. Otherwise the backward pass, out = dx.
extern "C" void lrn_float32(const Problem* p, const void* x, const void* g, void* out) {
  choose<float>(*p, x, g, out);
}

extern "C" void lrn_float64(const Problem* p, const void* x, const void* g, void* out) {
  choose<double>(*p, x, g, out);
}

extern "C" void lrn_bfloat16(const Problem* p, const void* x, const void* g, void* out) {
  choose<BFloat16>(*p, x, g, out);
}
