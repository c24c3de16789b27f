#include "exemplar_svm/isa.hpp"

#include <cstdlib>
#include <set>
#include <stdexcept>
#include <string>

#include "catch.hpp"
#include "kernels/dispatch.hpp"

using namespace exemplar_svm;

TEST_CASE("every instruction set has its own name") {
    std::set<std::string_view> names;
    for (const Isa isa : all_isas) names.insert(isa_name(isa));
    CHECK(names == std::set<std::string_view>{"avx2", "avx512", "baseline", "neon"});
    CHECK(isa_name(Isa::baseline) == "baseline");
    CHECK(isa_name(Isa::avx2) == "avx2");
    CHECK(isa_name(Isa::avx512) == "avx512");
    CHECK(isa_name(Isa::neon) == "neon");
}

TEST_CASE("the baseline is always supported") { CHECK(isa_supported(Isa::baseline)); }

TEST_CASE("an instruction set is supported if and only if it has kernels") {
    for (const Isa isa : all_isas) CHECK(isa_supported(isa) == (kernels::find(isa) != nullptr));
    CHECK_FALSE((isa_supported(Isa::neon) && isa_supported(Isa::avx2)));
}

// CTest runs this once per value of the variable.
TEST_CASE("the environment variable forces an instruction set or is refused by name") {
    const char* forced = std::getenv("EXEMPLAR_SVM_ISA");
    if (forced == nullptr || *forced == '\0') {
        CHECK(isa_supported(active_isa()));
        CHECK(&kernels::active() == kernels::find(active_isa()));
        return;
    }
    for (const Isa isa : all_isas) {
        if (isa_name(isa) != forced || !isa_supported(isa)) continue;
        CHECK(active_isa() == isa);
        CHECK(&kernels::active() == kernels::find(isa));
        return;
    }
    for (int attempt = 0; attempt < 2; ++attempt) {  // the refusal is repeated
        try {
            active_isa();
            FAIL("accepted");
        } catch (const std::invalid_argument& refusal) {
            CHECK(std::string(refusal.what()).find(forced) != std::string::npos);
        }
    }
    CHECK(isa_supported(Isa::baseline));
}
