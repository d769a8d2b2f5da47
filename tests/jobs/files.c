#include "jobs/files.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[512];
static char paths[32][640];
static size_t n_paths;

const char *files_folder(void)
{
    if (folder[0]) return folder;
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/errand-test-XXXXXX", base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    return folder;
}

const char *files_path(const char *name)
{
    ck_assert_uint_lt(n_paths, 32);
    char *path = paths[n_paths];
    snprintf(path, sizeof paths[0], "%s/%s", files_folder(), name);
    for (size_t i = 0; i < n_paths; i++) {
        if (!strcmp(paths[i], path)) return paths[i];
    }
    n_paths++;
    return path;
}

const char *files_write(const char *name, const void *at, size_t size)
{
    const char *path = files_path(name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(at, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
    return path;
}

const char *files_text(const char *name, const char *text)
{
    return files_write(name, text, strlen(text));
}

char *files_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    char *text = NULL;
    size_t n = 0;
    for (size_t got = 1; got; n += got) {
        text = realloc(text, n + 65537);
        ck_assert_ptr_nonnull(text);
        got = fread(text + n, 1, 65536, file);
    }
    text[n] = '\0';
    fclose(file);
    if (size) *size = n;
    return text;
}

void files_remove(void)
{
    DIR *dir = folder[0] ? opendir(folder) : NULL;
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[800];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.') remove(path);
    }
    if (dir) closedir(dir);
    if (folder[0]) rmdir(folder);
    folder[0] = '\0';
    n_paths = 0;
}
