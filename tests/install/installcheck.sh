#!/bin/bash
# Builds and runs user programs against the installed tree: through pkg-config with the shared and
# the static libraries, and through CMake. `make installcheck` runs it after `make install`, with
# the same DESTDIR. Parts that are not installed are skipped and reported; with nothing to check it
# fails.
#
# Static here means errand's own libraries. What they call stays shared: Debian has a static
# libcurl, but not all that libcurl calls.
# shellcheck disable=SC2086 # compilers, flags and modules are words
set -eu
shopt -s inherit_errexit
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d "${TMPDIR:-/tmp}/errand-install-XXXXXX")
trap 'rm -rf "$folder"' EXIT
cd "$folder"
done=0
libraries=$DESTDIR$libdir
config=${PKG_CONFIG:-pkg-config}

fail() {
    echo "installcheck: $*" >&2
    exit 1
}

# The installed .pc files name their final directories. Below a DESTDIR each gets that prefix.
pc=$DESTDIR$pkgconfigdir
[ -e "$pc/errand.pc" ] || fail "no $pc/errand.pc: make install comes first"
if [ -n "$DESTDIR" ]; then
    for file in "$pc"/errand*.pc; do
        sed "s,^\([a-z_]*\)=/,\1=$DESTDIR/," "$file" >"${file##*/}"
    done
    pc=$folder
fi
export PKG_CONFIG_PATH=$pc${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

modules="errand"
[ "$WITH_HTTP" != yes ] || modules+=" errand-http"
for module in $modules; do
    [ "$($config --modversion "$module")" = "$VERSION" ] || fail "$module.pc is not of version $VERSION"
done

runs() { # PROGRAM shared|static: the program runs, and loads the installed libraries or none of them
    local program=$1 how=$2 loaded
    loaded=$(ldd "$program" | sed -n 's/.*\(liberrand[^ ]*\) => \([^ ]*\).*/\2/p')
    case $how in
    shared)
        [ -n "$loaded" ] || fail "$program loads no liberrand"
        if grep -vF "$libraries/" <<<"$loaded"; then fail "$program loads that, not what is in $libraries"; fi
        ;;
    static) [ -z "$loaded" ] || fail "$program is to be static, and loads $loaded" ;;
    esac
    timeout 60 "$program" >"$program.out" || fail "$program ended with $?"
    [ -s "$program.out" ] || fail "$program said nothing"
    done=$((done + 1))
}

compile() { # FOLDER CFLAGS LIBS HTTP-LIBS: the three programs
    local to=$PWD/$1 cflags=$2 libs=$3 http_libs=$4
    mkdir "$to"
    $CC $FLAGS -std=gnu11 -Wall -Wextra -Werror $cflags -o "$to/core" "$here/core.c" $libs
    $CXX $CXXFLAGS -std=c++17 -Wall -Wextra -Werror $cflags -o "$to/plus" "$here/plus.cpp" $libs
    [ "$WITH_HTTP" != yes ] || $CC $FLAGS -std=gnu11 -Wall -Wextra -Werror $cflags -o "$to/http" "$here/http.c" $http_libs
}

all_run() { # FOLDER shared|static
    local program
    for program in core plus $([ "$WITH_HTTP" != yes ] || echo http); do
        runs "$PWD/$1/$program" "$2"
    done
    echo "installcheck: $1: $(cat "$1"/*.out | paste -sd';' | sed 's/;/; /g')"
}

with_shared() {
    local cflags libs http_libs=
    cflags=$($config --cflags $modules)
    libs=$($config --libs errand)
    [ "$WITH_HTTP" != yes ] || http_libs=$($config --libs errand-http)
    compile pkg-config-shared "$cflags" "$libs" "$http_libs"
    all_run pkg-config-shared shared
}

# The static liberrand-http needs the closure that --static prints. It includes libcurl's own
# private libraries; if they are not installed, it does not link: then libcurl is the shared one,
# and each module of Requires.private is resolved separately.
static_libs() { # MODULE: errand's libraries by the names of their files
    local module=$1 wanted libs
    libs=$($config --static --libs "$module")
    if [ "$module" = errand-http ] && ! echo 'int main(void) { return 0; }' | $CC $FLAGS -x c -o closure - -x none $libs 2>/dev/null; then
        echo "installcheck: not all that libcurl itself calls is installed: --static goes as far as libcurl" >&2
        wanted=$($config --print-requires-private "$module")
        [ -n "$wanted" ] || fail "$module.pc has no Requires.private"
        libs="$($config --libs "$module") $(xargs $config --libs <<<"$wanted") $($config --static --libs errand)"
    fi
    sed -E ':a; s/(^| )-l(errand(-http)?)( |$)/\1-l:lib\2.a\4/; ta' <<<"$libs"
}

with_static() {
    local cflags libs http_libs=
    cflags=$($config --static --cflags $modules)
    libs=$(static_libs errand)
    [ "$WITH_HTTP" != yes ] || http_libs=$(static_libs errand-http)
    compile pkg-config-static "$cflags" "$libs" "$http_libs"
    all_run pkg-config-static static
}

with_cmake() { # shared|static: as a user does, by the prefix; libraries elsewhere by errand_DIR
    local how=$1 to=cmake-$1 place="-Derrand_DIR=$DESTDIR$cmakedir" x y z refused
    case $libdir in
    "$prefix"/lib | "$prefix"/lib64 | "$prefix/lib/$($CC -print-multiarch 2>/dev/null)") place="-DCMAKE_PREFIX_PATH=$DESTDIR$prefix" ;;
    esac
    IFS=. read -r x y z <<<"$VERSION"
    refused="$x.$y.$((z + 1));$((x + 1)).0"
    [ "$x" != 0 ] || refused+=";0.$((y + 1))$([ "$y" = 0 ] || echo ";0.$((y - 1))")"
    # CMake takes compilers and flags from the environment.
    CC=$CC CXX=$CXX CFLAGS=$FLAGS CXXFLAGS=$CXXFLAGS cmake -S "$here" -B "$to" "$place" -DWANTED_DIR="$DESTDIR$cmakedir" \
        -DWANTED_VERSION="$x.$y" -DREFUSED_VERSIONS="$refused" -DWITH_HTTP="$([ "$WITH_HTTP" != yes ] || echo ON)" \
        -Derrand_USE_STATIC_LIBS="$([ "$how" = shared ] || echo ON)" >cmake.log 2>&1 ||
        { cat cmake.log >&2; fail "CMake does not configure ($how)"; }
    VERBOSE=1 cmake --build "$to" >cmake.log 2>&1 || { cat cmake.log >&2; fail "CMake does not build ($how)"; }
    all_run "$to" "$how"
}

for how in shared static; do
    suffix=so
    [ $how = shared ] || suffix=a
    if [ ! -e "$libraries/liberrand.$suffix" ]; then
        echo "installcheck: no $how libraries in $libraries: no programs with them"
        continue
    fi
    with_$how
    if command -v cmake >/dev/null; then
        with_cmake $how
    else
        echo "installcheck: cmake is not installed: nothing was checked with it"
    fi
done
[ "$done" -gt 0 ] || fail "no libraries in $libraries"
echo "installcheck: $done programs ran"
