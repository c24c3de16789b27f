#pragma once

#include <cstddef>
#include <exemplar_svm/matrix_view.hpp>
#include <string>

/// A file mapped read-only for the lifetime of this object. The kernel reads pages as they are
/// touched, and processes share them. Shortening the file in the meantime kills the process
/// (SIGBUS): rename another file over it instead.
class MappedFile {
  public:
    /// @throws std::system_error naming the path
    explicit MappedFile(const std::string& path);
    ~MappedFile();
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    const char* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }

  private:
    const char* data_ = nullptr;
    std::size_t size_ = 0;
};

/// The rows of a mapped .npy file of little-endian float32 in C order, in place.
/// @throws std::invalid_argument with a sentence that says what the file holds instead
exemplar_svm::DenseView<float> npy_rows(const MappedFile& file);
