#include "request_head.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <system_error>

#include "request.hpp"

namespace {

void expect(bool condition, int code, const char* sentence) {
    if (!condition) throw RequestError(code, sentence);
}

bool is_token_character(unsigned char c) noexcept {
    constexpr std::string_view others = "!#$%&'*+-.^_`|~";
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           others.find(static_cast<char>(c)) != std::string_view::npos;
}

bool is_text(unsigned char c) noexcept { return (c >= 0x20 && c != 0x7f) || c == '\t'; }

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// @param word  in lower case
bool is_word(std::string_view text, std::string_view word) noexcept {
    return std::ranges::equal(text, word, {}, lower);
}

std::string_view take_line(std::string_view& rest) {
    const std::size_t end = rest.find('\n');
    expect(end != std::string_view::npos && end > 0 && rest[end - 1] == '\r', 400,
           "a line of the head does not end in CR LF");
    const std::string_view line = rest.substr(0, end - 1);
    rest.remove_prefix(end + 1);
    expect(std::ranges::all_of(line, is_text), 400, "the head holds a control character");
    return line;
}

std::string_view trim(std::string_view text) noexcept {
    const std::size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
    text.remove_prefix(begin);
    return text.substr(0, text.find_last_not_of(" \t") + 1);
}

std::uint64_t parse_length(std::string_view text, std::size_t max_body) {
    std::uint64_t length = 0;
    const char* const end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, length);
    expect(stopped == end && error != std::errc::invalid_argument, 400,
           "Content-Length must be one number");
    if (error == std::errc::result_out_of_range || length > max_body) {
        throw RequestError(413, "the body is larger than " + std::to_string(max_body) + " bytes");
    }
    return length;
}

}  // namespace

BodyFraming check_head(std::string_view head, std::size_t max_body) {
    const std::string_view request = take_line(head);
    const bool is_old = request.ends_with(" HTTP/1.0");
    expect(is_old || request.ends_with(" HTTP/1.1"), 400, "this is no HTTP/1.1 request");

    std::optional<std::string_view> length;
    bool is_chunked = false, has_host = false;
    std::size_t n_fields = 0;
    for (std::string_view line = take_line(head); !line.empty(); line = take_line(head)) {
        expect(++n_fields <= max_fields, 431, "the head has too many fields");
        const std::size_t colon = line.find(':');
        const std::string_view name = line.substr(0, colon);
        // Parsers disagree about a space before the colon or at the beginning of a line.
        expect(colon != std::string_view::npos && !name.empty() &&
                   std::ranges::all_of(name, is_token_character),
               400, "a line of the head is no field");
        const std::string_view value = trim(line.substr(colon + 1));
        if (is_word(name, "content-length")) {
            expect(!length, 400, "Content-Length is given twice");
            length = value;
        } else if (is_word(name, "transfer-encoding")) {
            expect(!is_chunked, 400, "Transfer-Encoding is given twice");
            expect(is_word(value, "chunked"), 501, "the only Transfer-Encoding here is chunked");
            is_chunked = true;
        } else if (is_word(name, "host")) {
            expect(!has_host, 400, "Host is given twice");
            has_host = true;
        } else if (is_word(name, "range")) {
            // httplib would repeat the answer for every range.
            expect(false, 400, "there are no ranges here");
        }
    }
    expect(!is_chunked || !length, 400,
           "Content-Length and Transfer-Encoding contradict each other");
    expect(!is_chunked || !is_old, 400, "HTTP/1.0 has no Transfer-Encoding");
    return {length ? parse_length(*length, max_body) : 0, is_chunked};
}
