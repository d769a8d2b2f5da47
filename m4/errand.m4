# ERRAND_ADD_FLAG(VARIABLE, FLAG): appends FLAG to VARIABLE if the C compiler accepts it without a warning.
AC_DEFUN([ERRAND_ADD_FLAG], [
    AS_VAR_PUSHDEF([known], [errand_cv_cflag_$2])
    AC_CACHE_CHECK([whether $CC takes $2], [known], [
        saved_CFLAGS=$CFLAGS
        CFLAGS="$CFLAGS -Werror $2"
        AC_COMPILE_IFELSE([AC_LANG_PROGRAM()], [AS_VAR_SET([known], [yes])], [AS_VAR_SET([known], [no])])
        CFLAGS=$saved_CFLAGS
    ])
    AS_VAR_IF([known], [yes], [AS_VAR_APPEND([$1], [" $2"])])
    AS_VAR_POPDEF([known])
])

# ERRAND_WARNINGS: WARN_CFLAGS, and --enable-werror.
AC_DEFUN([ERRAND_WARNINGS], [
    AC_ARG_ENABLE([werror], [AS_HELP_STRING([--enable-werror], [a warning stops the build (for CI)])],
        [], [enable_werror=no])
    WARN_CFLAGS=
    m4_foreach_w([flag], [-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes],
        [ERRAND_ADD_FLAG([WARN_CFLAGS], flag)])
    AS_IF([test "x$enable_werror" != xno], [WARN_CFLAGS="$WARN_CFLAGS -Werror"])
    AC_SUBST([WARN_CFLAGS])
])

# ERRAND_SANITIZER: SANITIZER_FLAGS for compiling and linking, from --enable-sanitizer=address,undefined or =thread.
AC_DEFUN([ERRAND_SANITIZER], [
    AC_ARG_ENABLE([sanitizer],
        [AS_HELP_STRING([--enable-sanitizer=LIST], [build with -fsanitize=LIST: address,undefined or thread])],
        [], [enable_sanitizer=no])
    SANITIZER_FLAGS=
    AS_CASE([$enable_sanitizer], [no], [], [yes|''], [AC_MSG_ERROR([--enable-sanitizer wants a list, such as address,undefined])], [
        SANITIZER_FLAGS="-fsanitize=$enable_sanitizer -fno-sanitize-recover=all -fno-omit-frame-pointer"
        AC_MSG_CHECKING([whether $CC links with -fsanitize=$enable_sanitizer])
        saved_CFLAGS=$CFLAGS
        CFLAGS="$CFLAGS $SANITIZER_FLAGS"
        AC_LINK_IFELSE([AC_LANG_PROGRAM()], [AC_MSG_RESULT([yes])],
            [AC_MSG_RESULT([no]); AC_MSG_ERROR([no -fsanitize=$enable_sanitizer here])])
        CFLAGS=$saved_CFLAGS
        # clang's puts data before functions, which it cannot do before coroutines (14)
        AS_CASE([$enable_sanitizer], [*undefined*], [ERRAND_ADD_FLAG([SANITIZER_FLAGS], [-fno-sanitize=function])])
    ])
    AC_SUBST([SANITIZER_FLAGS])
    AC_SUBST([SANITIZER], [$enable_sanitizer])
])

# ERRAND_LINKER: LIBRARY_LDFLAGS that both libraries are linked with. They stay loaded once loaded (their threads run
# code of theirs), and leave nothing undefined, which a sanitized library cannot promise.
AC_DEFUN([ERRAND_LINKER], [
    LIBRARY_LDFLAGS="-Wl,-z,nodelete"
    AS_IF([test "x$enable_sanitizer" = xno], [LIBRARY_LDFLAGS="$LIBRARY_LDFLAGS -Wl,-z,defs"])
    AC_MSG_CHECKING([whether the linker takes $LIBRARY_LDFLAGS and a version script])
    AS_ECHO(['N_0 { global: main; local: *; };']) >conftest.map
    saved_LDFLAGS=$LDFLAGS
    LDFLAGS="$LDFLAGS $LIBRARY_LDFLAGS -Wl,--version-script=conftest.map"
    AC_LINK_IFELSE([AC_LANG_PROGRAM()], [AC_MSG_RESULT([yes])],
        [AC_MSG_RESULT([no]); AC_MSG_ERROR([errand needs GNU ld, gold or lld])])
    LDFLAGS=$saved_LDFLAGS
    rm -f conftest.map
    AC_SUBST([LIBRARY_LDFLAGS])
])

# ERRAND_DECODER(NAME, PREFIX, MODULE): bodies of that coding are decoded if its library is there, unless --without-NAME.
AC_DEFUN([ERRAND_DECODER], [
    AC_ARG_WITH([$1], [AS_HELP_STRING([--without-$1], [replies are not asked to be compressed with $1])], [], [with_$1=check])
    AS_IF([test "x$with_$1" = xno], [], [
        PKG_CHECK_MODULES([$2], [$3], [
            AS_VAR_APPEND([DECODER_CFLAGS], [" -DWITH_$2 $$2_CFLAGS"])
            AS_VAR_APPEND([DECODER_LIBS], [" $$2_LIBS"])
            AS_VAR_APPEND([decoder_modules], [", $3"])
            AS_VAR_APPEND([cmake_decoder_modules], [' "]m4_bpatsubst([$3], [ ])["'])
            with_$1=yes
        ], [
            AS_IF([test "x$with_$1" = xcheck], [AC_MSG_WARN([no $3: replies are not asked to be compressed with $1])],
                [AC_MSG_ERROR([no $3])])
            with_$1=no
        ])
    ])
])

# ERRAND_BENCH_PEERS: what 'make bench' finds to compare with. A peer that is not there is printed as missing.
AC_DEFUN([ERRAND_BENCH_PEERS], [
    bench_peers=
    PKG_CHECK_MODULES([UV], [libuv], [have_uv=yes; bench_peers="$bench_peers libuv"], [have_uv=no])
    PKG_CHECK_MODULES([GLIB], [glib-2.0], [have_glib=yes; bench_peers="$bench_peers glib"], [have_glib=no])
    PKG_CHECK_MODULES([TBB], [tbb >= 2021], [have_tbb=yes; bench_peers="$bench_peers tbb"], [have_tbb=no])
    PKG_CHECK_MODULES([SPDLOG], [spdlog], [have_spdlog=yes; bench_peers="$bench_peers spdlog"], [have_spdlog=no])
    AC_LANG_PUSH([C++])
    have_asio=no
    AC_CHECK_HEADER([asio.hpp], [have_asio=yes; ASIO_CPPFLAGS=],
        [AC_CHECK_HEADER([boost/asio.hpp], [have_asio=yes; ASIO_CPPFLAGS=-DBENCH_BOOST_ASIO])])
    AC_LANG_POP([C++])
    AS_IF([test $have_asio = yes], [bench_peers="$bench_peers asio"])
    AC_SUBST([ASIO_CPPFLAGS])
    AM_CONDITIONAL([HAVE_UV], [test $have_uv = yes])
    AM_CONDITIONAL([HAVE_GLIB], [test $have_glib = yes])
    AM_CONDITIONAL([HAVE_SPDLOG], [test $have_spdlog = yes])
    AM_CONDITIONAL([HAVE_TBB], [test $have_tbb = yes])
    AM_CONDITIONAL([HAVE_ASIO], [test $have_asio = yes])
    AS_IF([test -z "$bench_peers"], [bench_peers=" none"])
])

# ERRAND_CMAKE: what the files for find_package(errand) say. cmake_includedir is the way from their folder to the headers, relative
# where both are below the prefix, so that a tree that was moved is still found.
AC_DEFUN([ERRAND_CMAKE], [
    AC_SUBST([cmakedir], ['$(libdir)/cmake/errand'])
    AC_SUBST([cmake_decoder_modules])
    AC_SUBST([ac_cv_sizeof_void_p])
    AC_MSG_CHECKING([the way from the CMake files to the headers])
    saved_prefix=$prefix saved_exec_prefix=$exec_prefix
    test "x$prefix" != xNONE || prefix=$ac_default_prefix
    test "x$exec_prefix" != xNONE || exec_prefix='${prefix}'
    errand_from=$libdir/cmake/errand errand_to=$includedir errand_root=$prefix
    for errand_pass in 1 2 3; do # ${exec_prefix}/lib, ${prefix}/lib, /usr/local/lib
        eval "errand_from=\"$errand_from\" errand_to=\"$errand_to\" errand_root=\"$errand_root\""
    done
    prefix=$saved_prefix exec_prefix=$saved_exec_prefix
    cmake_includedir=$errand_to
    AS_CASE([$errand_from], ["$errand_root"/*], [AS_CASE([$errand_to], ["$errand_root"/*], [
        cmake_includedir=`AS_ECHO(["${errand_from#"$errand_root"/}"]) | sed 's,@<:@^/@:>@@<:@^/@:>@*,..,g'`/${errand_to#"$errand_root"/}
    ])])
    AC_SUBST([cmake_includedir])
    AC_MSG_RESULT([$cmake_includedir])
])
