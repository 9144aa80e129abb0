// Templates: one bug in a template that is instantiated several times, and several bugs behind
// a template's accessor; the C++ library's frames between.
#include <map>
#include <string>
#include <vector>

#include "../dedup.h"

namespace
{
template <typename T> class Buffer
{
  public:
    explicit Buffer(size_t n) : data_(new T[n]()), n_(n) {}
    ~Buffer() { delete[] data_; }
    Buffer(const Buffer &) = delete;
    Buffer &operator=(const Buffer &) = delete;

    T &at(size_t i) { return data_[i]; }

    void fill(size_t from, size_t count, T value)
    {
        size_t end = from + count;
        if (from > n_) {
            return;
        }
        for (size_t i = from; i < end; i++) {
            BUG("fill", i >= n_);
            data_[i] = value;
        }
    }

  private:
    T *data_;
    size_t n_;
};

struct Reader {
    const uint8_t *at, *end;
    unsigned next() { return at < end ? *at++ : 0; }
};

void words(Reader &r)
{
    Buffer<uint16_t> buffer(12);
    unsigned i = r.next() % 16;

    BUG("words", i >= 12);
    buffer.at(i) = 7;
    sink += buffer.at(0);
}

void doubles(Reader &r)
{
    Buffer<double> buffer(6);
    unsigned i = r.next() % 8;

    BUG("doubles", i >= 6);
    sink += (unsigned)buffer.at(i);
}

template <typename T> void filled(Reader &r)
{
    Buffer<T> buffer(10);

    unsigned from = r.next() % 12;
    buffer.fill(from, r.next() % 8, T(1));
    sink += (unsigned)buffer.at(0);
}

void erase(Reader &r)
{
    std::vector<int> values(3 + r.next() % 3, 4);
    unsigned index = r.next() % 8;

    BUG("erase", index >= values.size());
    values.erase(values.begin() + index);
    sink += (unsigned)values.size();
}

void last(Reader &r)
{
    std::map<int, std::vector<int>> tables;

    tables[1].push_back(2);
    tables[2];
    const std::vector<int> &table = tables[(int)r.next() % 3];
    BUG("last", table.empty());
    sink += (unsigned)table.back();
}
} // namespace

extern "C" void run(const uint8_t *data, size_t size)
{
    Reader r = {data, data + size};

    while (r.at < r.end) {
        switch (r.next() % 7) {
        case 0: words(r); break;
        case 1: doubles(r); break;
        case 2: filled<int>(r); break;
        case 3: filled<char>(r); break;
        case 4: filled<double>(r); break;
        case 5: erase(r); break;
        default: last(r); break;
        }
    }
}
