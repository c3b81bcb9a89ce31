// One source, several instruction sets, chosen when the program starts.
#pragma once
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
// The loader asks which to take before ThreadSanitizer stands, and its question would be watched: the program would not start.
#define TACIT_CLONES
#endif
#endif
#if !defined(TACIT_CLONES)
#if defined(__x86_64__)
#define TACIT_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TACIT_CLONES
#endif
#endif
