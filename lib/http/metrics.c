/* http/metrics.c -- converts curl's figures: its times begin when a hop is handed to it, ours when
 * the request came. */
#include "http/metrics.h"
#include "http/handle.h"

#include "base/clock.h"

#include <string.h>

static curl_off_t us(CURL *easy, CURLINFO what) /* 0: not reached */
{
    curl_off_t value = 0;
    return curl_easy_getinfo(easy, what, &value) ? 0 : value;
}

void er_metrics_time(er_exchange *x)
{
    static const struct {
        CURLINFO what;
        size_t where;
    } times[] = {
        { CURLINFO_NAMELOOKUP_TIME_T, offsetof(errand_timings, resolve) },
        { CURLINFO_CONNECT_TIME_T, offsetof(errand_timings, connect) },
        { CURLINFO_APPCONNECT_TIME_T, offsetof(errand_timings, tls) },
        { CURLINFO_STARTTRANSFER_TIME_T, offsetof(errand_timings, first_byte) },
    };
    errand_timings *timings = &x->timings;
    timings->total = (double)(er_now_ns() - x->clock_ns) / 1e6;
    /* of this hop */
    if (x->handle || !x->seated_ns)
        *timings = (errand_timings){ -1, -1, -1, -1, -1, timings->total };
    if (!x->handle) return;
    timings->queue = (double)(x->handed_clock_ns - x->clock_ns) / 1e6;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        curl_off_t at = us(x->handle->easy, times[i].what);
        double ms = timings->queue + (double)at / 1e3;
        if (at > 0) memcpy((char *)timings + times[i].where, &ms, sizeof ms);
    }
}

void er_metrics_add(er_exchange *x)
{
    errand_transfer_metrics *metrics = &x->response->metrics;
    long request = 0, headers = 0, version = 0;
    CURL *easy = x->handle->easy;
    curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &request);
    curl_easy_getinfo(easy, CURLINFO_HEADER_SIZE, &headers);
    curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version);
    metrics->sent += (uint64_t)request + (uint64_t)us(easy, CURLINFO_SIZE_UPLOAD_T);
    metrics->received += (uint64_t)headers + (uint64_t)us(easy, CURLINFO_SIZE_DOWNLOAD_T);
    metrics->reused = x->reused;
    metrics->resent += x->resent;
    metrics->http = version == CURL_HTTP_VERSION_1_0 ? 10 : 11;
    if (version == CURL_HTTP_VERSION_2_0) metrics->http = 20;
}

bool er_metrics_take(er_exchange *x, errand_response *response)
{
    const char *url = x->hop.url;
    response->url = strpbrk(url, "@#") ? er_url_shown(url, false) : er_copy_text(url);
    response->metrics.body = x->received;
    er_metrics_time(x);
    response->timings = x->timings;
    return response->url != NULL;
}
