// C++ to crash with, one for each word: objects WORD. Templates, lambdas, anonymous namespaces,
// virtual calls, the standard library on the stack.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

#define NOINLINE __attribute__((noinline))

static volatile int one = 1;
static volatile int enough = 3;

namespace shapes {

class Shape {
  public:
    virtual ~Shape() = default;
    virtual int area() const { return one; }
};

class Square : public Shape {
  public:
    int side[4] = {1, 2, 3, 4};
    int area() const override { return side[0]; }
    int corner(int n) const { return side[n]; }
};

class Circle : public Shape {
  public:
    long radius = 2;
    int area() const override { return static_cast<int>(radius); }
};

} // namespace shapes

namespace {

template <typename T> NOINLINE T
element(const T *data, int at)
{
    return data[at];
}

NOINLINE int
hidden_read(const std::string &text)
{
    char *copy = new char[text.size()];
    std::memcpy(copy, text.data(), text.size());
    int value = element<char>(copy, static_cast<int>(text.size()) + one);
    delete[] copy;
    return value;
}

} // namespace

NOINLINE static int
in_template()
{
    return hidden_read("abcdef");
}

NOINLINE static int
in_lambda()
{
    auto *data = new int[3];
    auto read = [data](int at) { return data[at]; };
    std::function<int(int)> call = read;
    int value = call(enough);
    delete[] data;
    return value;
}

NOINLINE static int
in_vector()
{
    std::vector<int> list(3);
    list.reserve(3);
    return list.data()[enough + one];
}

NOINLINE static int
in_callback()
{
    std::map<std::string, std::function<int(const char *)>> table;
    table["x"] = [](const char *text) { return static_cast<int>(std::strlen(text)); };
    char *raw = new char[4];
    std::memset(raw, 'x', 4);
    int value = table["x"](raw);
    delete[] raw;
    return value;
}

NOINLINE static int
bad_downcast()
{
    shapes::Shape *shape = new shapes::Circle;
    auto *square = static_cast<shapes::Square *>(shape);
    int value = square->corner(one);
    delete shape;
    return value;
}

NOINLINE static int
deleted_virtual()
{
    shapes::Shape *shape = new shapes::Circle;
    delete shape;
    return shape->area();
}

NOINLINE static int
mismatch()
{
    int *list = new int[4];
    free(list);
    return one;
}

NOINLINE static int
wrong_size()
{
    struct Small {
        char c[4];
    };
    struct Large {
        char c[64];
    };
    void *raw = new Large;
    delete static_cast<Small *>(raw);
    return one;
}

NOINLINE static int
uncaught()
{
    throw std::string("nobody catches this");
}

NOINLINE static int
out_of_range()
{
    std::vector<int> list(3);
    return list.at(static_cast<size_t>(enough) + 40);
}

NOINLINE static int
vector_index()
{
    std::vector<int> list(3);
    return list[static_cast<size_t>(enough) + 40];
}

enum Color { RED = 1, GREEN = 2 };

NOINLINE static int
invalid_enum()
{
    Color color;
    int raw = 100 * one;
    std::memcpy(&color, &raw, sizeof(color));
    return color == RED ? 1 : 2;
}

NOINLINE static int
no_return_helper(int n)
{
    if (n > 5) {
        return n;
    }
}

NOINLINE static int
no_return()
{
    return no_return_helper(one);
}

NOINLINE static int
reference_null()
{
    int *volatile none = nullptr;
    int &ref = *none;
    return &ref == nullptr;
}

static int takes_long(long n) { return static_cast<int>(n); }

NOINLINE static int
wrong_function_type()
{
    auto call = reinterpret_cast<int (*)(int, int)>(reinterpret_cast<void *>(&takes_long));
    return call(one, one);
}

static const struct {
    const char *word;
    int (*run)();
} errors[] = {
    {"template", in_template},
    {"lambda", in_lambda},
    {"vector", in_vector},
    {"vector-index", vector_index},
    {"callback", in_callback},
    {"bad-downcast", bad_downcast},
    {"deleted-virtual", deleted_virtual},
    {"mismatch", mismatch},
    {"wrong-size", wrong_size},
    {"uncaught", uncaught},
    {"out-of-range", out_of_range},
    {"invalid-enum", invalid_enum},
    {"no-return", no_return},
    {"reference-null", reference_null},
    {"wrong-function-type", wrong_function_type},
};

int
main(int argc, char **argv)
{
    for (const auto &error : errors) {
        if (argc == 2 && std::strcmp(error.word, argv[1]) == 0) {
            std::printf("%d\n", error.run());
            return 0;
        }
    }
    return 64;
}
