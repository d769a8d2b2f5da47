/* errand.hpp -- what C++ sees of it. */
#include <errand.h>

namespace errand __attribute__((visibility("default"))) {

template <class T> class later; /* declared alone */

namespace detail {
struct hidden {};
} // namespace detail

template <class C, void (*End)(C *)> class owner {};
inline constexpr int threw = 7;

class sem : public owner<errand_sem, errand_sem_free> {
public:
    int give() { return errand_sem_give(raw(), 1); }
};

template <class T> void both(later<T> a, later<T> b);
template <class T> auto operator+(later<T> a, later<T> b);
} // namespace errand
