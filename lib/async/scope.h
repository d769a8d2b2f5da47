/* async/scope.h -- handing what the library closes over to a scope. */
#ifndef ER_SCOPE_H
#define ER_SCOPE_H

#include "base/os.h"

#include <errand/scope.h>

/* As errand_scope_push with a `close` function; what cannot be added is closed at once. */
ER_SHARED int er_scope_own_closed(errand_scope *scope, const errand_cleanup *what);

#endif
