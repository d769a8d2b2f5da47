/* Buffers that grow by half, as in a program that does not know what will come. */
#include "web_reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t keep(char *at, size_t one, size_t size, void *arg)
{
    web_text *text = arg;
    size *= one;
    if (text->size + size + 1 > text->room) {
        size_t room = (text->size + size + 1) * 3 / 2;
        char *longer = realloc(text->at, room < 256 ? 256 : room);
        if (longer == NULL) return 0;
        text->at = longer;
        text->room = room < 256 ? 256 : room;
    }
    memcpy(text->at + text->size, at, size);
    text->size += size;
    text->at[text->size] = '\0';
    return size;
}

CURL *web_easy_new(void)
{
    CURL *easy = curl_easy_init();
    if (easy == NULL) exit(1);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, keep);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep);
    return easy;
}

void web_easy_aim(CURL *easy, const char *url, web_reply *reply)
{
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &reply->headers);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &reply->body);
}

void web_reply_look(CURL *easy, CURLcode code, web_reply *reply)
{
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &reply->status);
    if (code != CURLE_OK || reply->status != 200 || reply->body.size == 0 ||
        strstr(reply->headers.at, "Content-Type: ") == NULL) {
        fprintf(stderr, "bench: curl: %s, HTTP %ld\n", curl_easy_strerror(code), reply->status);
        exit(1);
    }
    free(reply->headers.at);
    free(reply->body.at);
    free(reply);
}
