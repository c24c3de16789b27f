#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

/// Where the body of a request ends.
struct BodyFraming {
    std::uint64_t length = 0;  ///< bytes; 0 if the body is chunked
    bool is_chunked = false;
};

/// The most lines of a head after the first.
inline constexpr std::size_t max_fields = 64;

/// Refuses an ambiguous head, one that httplib and a proxy might read differently. httplib skips
/// lines that it does not understand, and takes the first of two lengths.
/// @param head  with its empty line
/// @throws RequestError
BodyFraming check_head(std::string_view head, std::size_t max_body);
