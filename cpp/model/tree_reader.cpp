#include "model/tree_reader.hpp"

#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

namespace shac {
namespace {

constexpr int kDeepest = 32;  // a tree's fields lie 6 deep

class Reader {
  public:
    Reader(std::string_view document, std::size_t place) : document_(document), place_(place) {
        if (place > document.size()) {
            fail("expected a place within the document");
        }
    }

    std::size_t place() const { return place_; }

    [[noreturn]] void fail(const std::string& what) const {
        throw std::invalid_argument("model, byte " + std::to_string(place_) + ": " + what);
    }

    std::string_view take(std::size_t count) {
        if (document_.size() - place_ < count) {
            fail("expected " + std::to_string(count) + " bytes more, got the end");
        }
        const std::string_view taken = document_.substr(place_, count);
        place_ += count;
        return taken;
    }

    char marker() { return take(1)[0]; }

    bool next_is(char wanted) const { return place_ < document_.size() && document_[place_] == wanted; }

    void expect(char wanted) {
        if (!next_is(wanted)) {
            fail(std::string("expected '") + wanted + "'");
        }
        ++place_;
    }

    /// At most what is left of the document.
    std::size_t length() {
        expect('L');
        const auto value = number<std::uint64_t>(take(8).data());
        if (value > document_.size() - place_) {
            fail("expected a length within the document");
        }
        return static_cast<std::size_t>(value);
    }

    std::string_view text() { return take(length()); }

    /// Numbers of one kind, their highest byte first.
    struct Numbers {
        char kind;
        std::size_t count;
        const char* data;
    };

    Numbers numbers() {
        expect('[');
        expect('$');
        const char kind = marker();
        expect('#');
        const std::size_t count = length();
        const std::size_t size = size_of(kind);
        if (size == 0 || count > (document_.size() - place_) / size) {
            fail("expected an array of numbers within the document");
        }
        return {kind, count, take(count * size).data()};
    }

    Numbers integers() {
        const Numbers result = numbers();
        if (result.kind == 'd' || result.kind == 'D') {
            fail("expected integers");
        }
        return result;
    }

    void skip(int depth = 0) {
        const char kind = marker();
        if (depth > kDeepest) {
            fail("expected at most " + std::to_string(kDeepest) + " levels, got more");
        } else if (size_of(kind) != 0) {
            take(size_of(kind));
        } else if (kind == 'S') {
            text();
        } else if (kind == '{') {
            while (!next_is('}')) {
                text();
                skip(depth + 1);
            }
            expect('}');
        } else if (kind == '[' && next_is('$')) {
            --place_;
            numbers();
        } else if (kind == '[') {
            expect('#');
            for (std::size_t left = length(); left > 0; --left) {
                skip(depth + 1);
            }
        } else if (kind != 'T' && kind != 'F' && kind != 'Z') {
            fail("expected a value");
        }
    }

    template <typename T>
    static T number(const char* data) {
        std::uint64_t bits = 0;
        for (std::size_t i = 0; i < sizeof(T); ++i) {
            bits = bits << 8 | static_cast<unsigned char>(data[i]);
        }
        T value;
        if constexpr (sizeof(T) == 8) {
            std::memcpy(&value, &bits, sizeof value);
        } else if constexpr (sizeof(T) == 4) {
            const auto half = static_cast<std::uint32_t>(bits);
            std::memcpy(&value, &half, sizeof value);
        } else if constexpr (sizeof(T) == 2) {
            value = static_cast<T>(static_cast<std::uint16_t>(bits));
        } else {
            value = static_cast<T>(static_cast<std::uint8_t>(bits));
        }
        return value;
    }

    static std::size_t size_of(char kind) {
        switch (kind) {
            case 'i':
            case 'U':
                return 1;
            case 'I':
                return 2;
            case 'l':
            case 'd':
                return 4;
            case 'L':
            case 'D':
                return 8;
            default:
                return 0;
        }
    }

  private:
    std::string_view document_;
    std::size_t place_;
};

std::int64_t integer_at(const Reader::Numbers& numbers, std::size_t i) {
    const char* const data = numbers.data + i * Reader::size_of(numbers.kind);
    switch (numbers.kind) {
        case 'i':
            return Reader::number<std::int8_t>(data);
        case 'U':
            return Reader::number<std::uint8_t>(data);
        case 'I':
            return Reader::number<std::int16_t>(data);
        case 'l':
            return Reader::number<std::int32_t>(data);
        default:
            return Reader::number<std::int64_t>(data);
    }
}

template <typename T>
void read_integers(Reader& reader, std::vector<T>& into) {
    const Reader::Numbers numbers = reader.integers();
    const std::size_t begin = into.size();
    into.resize(begin + numbers.count);
    for (std::size_t i = 0; i < numbers.count; ++i) {
        const std::int64_t value = integer_at(numbers, i);
        if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max()) {
            reader.fail("expected smaller numbers, got " + std::to_string(value));
        }
        into[begin + i] = static_cast<T>(value);
    }
}

void read_floats(Reader& reader, std::vector<float>& into) {
    const Reader::Numbers numbers = reader.numbers();
    if (numbers.kind != 'd') {
        reader.fail("expected float32 numbers");
    }
    const std::size_t begin = into.size();
    into.resize(begin + numbers.count);
    for (std::size_t i = 0; i < numbers.count; ++i) {
        into[begin + i] = Reader::number<float>(numbers.data + 4 * i);
    }
}

/// Whether leaves are vectors, from the parameters of a tree: texts.
bool read_has_vectors(Reader& reader) {
    bool found = false;
    bool has_vectors = false;
    reader.expect('{');
    while (!reader.next_is('}')) {
        const bool is_wanted = reader.text() == "size_leaf_vector";
        if (is_wanted) {
            reader.expect('S');
            const std::string_view size = reader.text();
            has_vectors = size != "0" && size != "1";
            found = true;
        } else {
            reader.skip();
        }
    }
    reader.expect('}');
    if (!found) {
        reader.fail("expected a size_leaf_vector");
    }
    return has_vectors;
}

bool read_is_categorical(Reader& reader) {
    const Reader::Numbers numbers = reader.integers();
    for (std::size_t i = 0; i < numbers.count; ++i) {
        if (integer_at(numbers, i) != 0) {
            return true;
        }
    }
    return false;
}

void read_tree(Reader& reader, std::int64_t tree, ReadTrees& result) {
    OwnedForestArrays& arrays = result.arrays;
    reader.expect('{');
    bool has_parameters = false;
    while (!reader.next_is('}')) {
        const std::string_view name = reader.text();
        if (name == "left_children") {
            read_integers(reader, arrays.left);
        } else if (name == "right_children") {
            read_integers(reader, arrays.right);
        } else if (name == "split_indices") {
            read_integers(reader, arrays.feature);
        } else if (name == "split_conditions") {
            read_floats(reader, arrays.value);
        } else if (name == "default_left") {
            read_integers(reader, arrays.default_left);
        } else if (name == "split_type") {
            if (read_is_categorical(reader) && result.categorical_tree < 0) {
                result.categorical_tree = tree;
            }
        } else if (name == "tree_param") {
            has_parameters = true;
            if (read_has_vectors(reader) && result.vector_tree < 0) {
                result.vector_tree = tree;
            }
        } else {
            reader.skip();
        }
    }
    reader.expect('}');
    const std::size_t nodes = arrays.left.size();
    if (!has_parameters || arrays.right.size() != nodes || arrays.feature.size() != nodes ||
        arrays.value.size() != nodes || arrays.default_left.size() != nodes) {
        reader.fail("expected parameters, and arrays of one length, in tree " + std::to_string(tree));
    }
    arrays.tree_begin.push_back(static_cast<std::int64_t>(nodes));
}

}  // namespace

ReadTrees read_trees(std::string_view document, std::size_t place) {
    Reader reader(document, place);
    ReadTrees result;
    result.arrays.tree_begin.push_back(0);
    reader.expect('[');
    reader.expect('#');
    const std::size_t count = reader.length();
    for (std::size_t tree = 0; tree < count; ++tree) {
        read_tree(reader, static_cast<std::int64_t>(tree), result);
    }
    result.end = reader.place();
    return result;
}

}  // namespace shac
