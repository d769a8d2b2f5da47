/* base/sanitizers.h -- what this was built with: gcc defines a macro, clang has a feature. */
#ifndef ER_SANITIZERS_H
#define ER_SANITIZERS_H

#ifdef __has_feature
#define ER_HAS_FEATURE(x) __has_feature(x)
#else
#define ER_HAS_FEATURE(x) 0
#endif

#ifdef __SANITIZE_ADDRESS__
#define ER_ASAN 1
#else
#define ER_ASAN ER_HAS_FEATURE(address_sanitizer)
#endif

#ifdef __SANITIZE_THREAD__
#define ER_TSAN 1
#else
#define ER_TSAN ER_HAS_FEATURE(thread_sanitizer)
#endif

#endif
