#pragma once

// The architecture that the compiler targets. CMake does not know it: a universal build for macOS
// compiles every file once per architecture.

#if defined(__x86_64__) || (defined(_M_X64) && !defined(_M_ARM64EC))
#define EXEMPLAR_SVM_X86 1
#elif defined(__aarch64__) || defined(_M_ARM64)
#define EXEMPLAR_SVM_NEON 1
#endif
