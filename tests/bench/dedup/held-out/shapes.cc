// Classes: virtual calls, owners and borrowers, strings, a base class's buggy method.
#include <memory>
#include <string>
#include <vector>

#include "../dedup.h"

struct Input {
    const uint8_t *at, *end;
    unsigned next() { return at < end ? *at++ : 0; }
};

class Shape
{
  public:
    virtual ~Shape() {}
    virtual unsigned area() const = 0;
    void point(unsigned i, int value)
    {
        BUG("point", i >= 4);
        points_[i] = value;
    }
    int sum(unsigned n) const
    {
        int total = 0;
        for (unsigned i = 0; i < n; i++) {
            BUG("sum", i >= 4);
            total += points_[i];
        }
        return total;
    }

  protected:
    int *points_ = new int[4]();
};

class Square : public Shape
{
  public:
    ~Square() override { delete[] points_; }
    unsigned area() const override { return (unsigned)points_[0]; }
};

class Circle : public Shape
{
  public:
    explicit Circle(unsigned r) : r_(r) {}
    ~Circle() override { delete[] points_; }
    unsigned area() const override
    {
        BUG("circle", r_ == 7);
        return 100 / (r_ - 7);
    }

  private:
    unsigned r_;
};

class Scene
{
  public:
    void add(Shape *shape) { shapes_.emplace_back(shape); }

    void drop(unsigned i)
    {
        if (i < shapes_.size()) {
            selected_gone_ = selected_gone_ || (selected_ != nullptr && shapes_[i].get() == selected_);
            shapes_.erase(shapes_.begin() + i);
        }
    }

    void select(unsigned i)
    {
        if (i < shapes_.size()) {
            selected_ = shapes_[i].get();
            selected_gone_ = false;
        }
    }

    void measure() const
    {
        if (selected_ != nullptr) {
            BUG("selected", selected_gone_);
            sink += selected_->area();
        }
    }

    void move(int by)
    {
        if (selected_ != nullptr) {
            BUG("selected", selected_gone_);
            selected_->point(1, by);
        }
    }

    Shape *last() { return shapes_.empty() ? nullptr : shapes_.back().get(); }

  private:
    std::vector<std::unique_ptr<Shape>> shapes_;
    Shape *selected_ = nullptr;
    bool selected_gone_ = false;
};

static void
label(Input &in)
{
    std::string text(in.next() % 8 + 20, 'x');
    unsigned cut = in.next() % 40;

    const char *end = text.data() + text.size();
    BUG("label", cut > text.size());
    sink += (unsigned)*(end - cut);
}

extern "C" void
run(const uint8_t *data, size_t size)
{
    Input in = {data, data + size};
    Scene scene;

    while (in.at < in.end) {
        Shape *last = scene.last();
        switch (in.next() % 9) {
        case 0:
            scene.add(new Square());
            break;
        case 1:
            scene.add(new Circle(in.next() % 10));
            break;
        case 2:
            scene.drop(in.next() % 4);
            break;
        case 3:
            scene.select(in.next() % 4);
            break;
        case 4:
            scene.measure();
            break;
        case 5:
            scene.move((int)in.next());
            break;
        case 6:
            if (last != nullptr) {
                last->point(in.next() % 5, 1);
            }
            break;
        case 7:
            if (last != nullptr) {
                sink += (unsigned)last->sum(in.next() % 6);
            }
            break;
        default:
            label(in);
            break;
        }
    }
}
