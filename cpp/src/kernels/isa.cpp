#include "exemplar_svm/isa.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

#include "exemplar_svm/error.hpp"
#include "kernels/architecture.hpp"
#include "kernels/dispatch.hpp"

#if defined(EXEMPLAR_SVM_X86)
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif

namespace exemplar_svm {
namespace {

#if defined(EXEMPLAR_SVM_X86)

struct CpuidRegisters {
    std::uint32_t eax, ebx, ecx, edx;
};

CpuidRegisters cpuid(std::uint32_t leaf) noexcept {
#if defined(_MSC_VER)
    int r[4];
    __cpuidex(r, static_cast<int>(leaf), 0);
    return {static_cast<std::uint32_t>(r[0]), static_cast<std::uint32_t>(r[1]),
            static_cast<std::uint32_t>(r[2]), static_cast<std::uint32_t>(r[3])};
#else
    CpuidRegisters r{0, 0, 0, 0};
    __get_cpuid_count(leaf, 0, &r.eax, &r.ebx, &r.ecx, &r.edx);
    return r;
#endif
}

/// The register states that the operating system saves. Call only if CPUID reports OSXSAVE.
std::uint64_t xgetbv() noexcept {
#if defined(_MSC_VER)
    return _xgetbv(0);
#else
    std::uint32_t low = 0, high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (static_cast<std::uint64_t>(high) << 32) | low;
#endif
}

constexpr bool has(std::uint64_t word, std::uint64_t bits) noexcept {
    return (word & bits) == bits;
}

struct X86Features {
    bool avx2 = false;
    bool avx512 = false;
};

// Bit numbers: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, CPUID;
// volume 1, section 13.3 for XCR0.
X86Features detect_x86() noexcept {
    X86Features features;
    const CpuidRegisters leaf1 = cpuid(1);
    constexpr std::uint32_t fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28, f16c = 1u << 29;
    if (!has(leaf1.ecx, fma | osxsave | avx | f16c)) return features;

    const std::uint64_t saved = xgetbv();
    constexpr std::uint64_t sse_and_avx = 0x6, opmask_and_zmm = 0xe0;
    if (!has(saved, sse_and_avx)) return features;

    const CpuidRegisters leaf7 = cpuid(7);
    constexpr std::uint32_t avx2 = 1u << 5;
    constexpr std::uint32_t avx512f = 1u << 16, avx512dq = 1u << 17, avx512vl = 1u << 31;
    features.avx2 = has(leaf7.ebx, avx2);
    features.avx512 = features.avx2 && has(leaf7.ebx, avx512f | avx512dq | avx512vl) &&
                      has(saved, opmask_and_zmm);
    return features;
}

const X86Features& x86() noexcept {
    static const X86Features features = detect_x86();
    return features;
}

#endif

Isa widest_isa() noexcept {
    for (const Isa isa : {Isa::avx512, Isa::avx2, Isa::neon}) {
        if (isa_supported(isa)) return isa;
    }
    return Isa::baseline;
}

Isa choose_isa() {
    const char* forced = std::getenv("EXEMPLAR_SVM_ISA");
    if (forced == nullptr || *forced == '\0') return widest_isa();
    for (const Isa isa : all_isas) {
        if (isa_name(isa) != forced) continue;
        require(isa_supported(isa), "EXEMPLAR_SVM_ISA is '" + std::string(forced) +
                                        "', which this machine or this build does not support");
        return isa;
    }
    require(false, "EXEMPLAR_SVM_ISA is '" + std::string(forced) +
                       "', but must be one of baseline, avx2, avx512, neon");
    return Isa::baseline;
}

}  // namespace

std::string_view isa_name(Isa isa) noexcept {
    switch (isa) {
        case Isa::avx2: return "avx2";
        case Isa::avx512: return "avx512";
        case Isa::neon: return "neon";
        case Isa::baseline: break;
    }
    return "baseline";
}

bool isa_supported(Isa isa) noexcept { return kernels::find(isa) != nullptr; }

Isa active_isa() {
    static const Isa isa = choose_isa();  // if the initialiser throws, the next call tries again
    return isa;
}

namespace kernels {

const Kernels* find(Isa isa) noexcept {
    switch (isa) {
        case Isa::baseline: return &baseline;
#if defined(EXEMPLAR_SVM_X86)
        case Isa::avx2: return x86().avx2 ? &avx2 : nullptr;
        case Isa::avx512: return x86().avx512 ? &avx512 : nullptr;
#endif
#if defined(EXEMPLAR_SVM_NEON)
        case Isa::neon: return &neon;
#endif
        default: return nullptr;
    }
}

const Kernels& active() noexcept {
    static const Kernels& chosen = []() noexcept -> const Kernels& {
        try {
            return *find(active_isa());
        } catch (...) {
            return *find(widest_isa());
        }
    }();
    return chosen;
}

}  // namespace kernels
}  // namespace exemplar_svm
