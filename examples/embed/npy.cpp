#include "npy.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <exemplar_svm/error.hpp>
#include <limits>
#include <string_view>
#include <system_error>

namespace esvm = exemplar_svm;
using esvm::require;

namespace {

static_assert(std::endian::native == std::endian::little, "rows are used as they are in the file");

class FileDescriptor {
  public:
    explicit FileDescriptor(int number) noexcept : number_(number) {}
    ~FileDescriptor() {
        if (number_ >= 0) ::close(number_);
    }
    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;
    int number() const noexcept { return number_; }

  private:
    int number_;
};

[[noreturn]] void fail(const std::string& path) {
    throw std::system_error(errno, std::generic_category(), path);
}

/// The text after `key` in the header, a Python dict that numpy writes with sorted keys and exactly
/// these spaces.
std::string_view value_of(std::string_view header, std::string_view key) {
    const std::size_t at = header.find(key);
    require(at != std::string_view::npos, "the .npy header has no " + std::string(key));
    return header.substr(at + key.size());
}

/// Reads a number from the front of the text, and the text that must follow it.
std::size_t take_extent(std::string_view& text, std::string_view delimiter) {
    std::size_t extent = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), extent);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    require(error == std::errc() && text.starts_with(delimiter),
            "the .npy file must hold an array of two dimensions, (rows, features)");
    text.remove_prefix(delimiter.size());
    return extent;
}

}  // namespace

MappedFile::MappedFile(const std::string& path) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat about {};
    if (file.number() < 0 || ::fstat(file.number(), &about) != 0) fail(path);
    require(S_ISREG(about.st_mode) && about.st_size > 0, path + " is empty, or no regular file");

    size_ = static_cast<std::size_t>(about.st_size);
    void* const memory = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.number(), 0);
    if (memory == MAP_FAILED) fail(path);
    data_ = static_cast<const char*>(memory);
}

MappedFile::~MappedFile() { ::munmap(const_cast<char*>(data_), size_); }

esvm::DenseView<float> npy_rows(const MappedFile& file) {
    const std::string_view bytes(file.data(), file.size());
    require(bytes.starts_with("\x93NUMPY") && bytes.size() >= 12, "this is no .npy file");
    const auto byte = [&](std::size_t i) {
        return static_cast<std::size_t>(static_cast<std::uint8_t>(bytes[i]));
    };

    // Version 1 stores the length of the header in two bytes, later versions in four.
    const bool is_short = byte(6) == 1;
    const std::size_t before = is_short ? 10 : 12;
    const std::size_t length =
        byte(8) | byte(9) << 8 | (is_short ? 0 : byte(10) << 16 | byte(11) << 24);
    require(bytes.size() - before >= length, "the .npy file ends within its header");
    const std::string_view header = bytes.substr(before, length);

    require(value_of(header, "'descr': ").starts_with("'<f4'"),
            "the .npy file must hold little-endian float32 ('<f4'): rows.astype(\"<f4\")");
    require(value_of(header, "'fortran_order': ").starts_with("False"),
            "the .npy file must be in C order: numpy.ascontiguousarray(rows)");
    std::string_view shape = value_of(header, "'shape': (");
    const std::size_t n_rows = take_extent(shape, ", ");
    const std::size_t n_features = take_extent(shape, ")");
    require(n_features > 0, "the rows of the .npy file have no features");

    const std::size_t start = before + length;
    // By division, because a header may claim more than 2^64 bytes.
    require(n_rows <= (bytes.size() - start) / sizeof(float) / n_features,
            "the .npy file is shorter than its header says");
    require(start % alignof(float) == 0, "the values of the .npy file are not aligned");
    // The values are aligned: the format pads its header, and a mapping starts on a page.
    const void* const values = file.data() + start;
    return {static_cast<const float*>(values), n_rows, n_features,
            static_cast<std::ptrdiff_t>(n_features)};
}
