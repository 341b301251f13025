// Bytes of the fuzzer as numbers. Behind the end every number is 0, so that any input decodes to something.
//
// Not shared between threads; reading costs a copy of a few bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace shac::fuzz {

class Reader {
  public:
    Reader(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}

    bool empty() const { return left_ == 0; }

    std::uint8_t byte() { return take<std::uint8_t>(); }

    template <typename T>
    T take() {
        T value{};
        const std::size_t size = left_ < sizeof(T) ? left_ : sizeof(T);
        if (size > 0) {
            std::memcpy(&value, data_, size);
            data_ += size;
            left_ -= size;
        }
        return value;
    }

    /// At least `low` and at most `high`.
    std::size_t between(std::size_t low, std::size_t high) { return low + byte() % (high - low + 1); }

  private:
    const std::uint8_t* data_;
    std::size_t left_;
};

}  // namespace shac::fuzz
