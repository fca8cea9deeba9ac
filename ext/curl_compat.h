/*
** Version facts about libcurl, oldest first: what http.c uses that is newer than the
** floor. Included by http.c only, after <curl/curl.h>.
**
** The gates are by the headers of the build. At run time an older library answers
** CURLE_UNKNOWN_OPTION; http.c takes that as an error for options that guard something
** and ignores it for those marked "nice to have" here.
*/
#ifndef NAVER_SERP_CURL_COMPAT_H
#define NAVER_SERP_CURL_COMPAT_H

/* The floor, 7.74.0: curl_multi_poll() waits although no handle is in it (7.66.0),
** CURLINFO_RETRY_AFTER (7.66.0), CURLU_NO_DEFAULT_PORT and the URL API (7.62.0). */
#define CURL_FLOOR 0x074a00

#if LIBCURL_VERSION_NUM < CURL_FLOOR
#error "naver_serp needs the headers of libcurl 7.74.0 or newer"
#endif

/* 7.85.0: CURLOPT_PROTOCOLS_STR; CURLOPT_PROTOCOLS is deprecated from then on. */
#if LIBCURL_VERSION_NUM >= 0x075500
#define CURL_OPT_PROTOCOLS CURLOPT_PROTOCOLS_STR
#define CURL_ONLY_HTTP     "http"
#define CURL_ONLY_HTTPS    "https"
#else
#define CURL_OPT_PROTOCOLS CURLOPT_PROTOCOLS
#define CURL_ONLY_HTTP     ((long)CURLPROTO_HTTP)
#define CURL_ONLY_HTTPS    ((long)CURLPROTO_HTTPS)
#endif

/* 7.87.0: CURLOPT_QUICK_EXIT, nice to have. Taking a handle that still resolves a name
** out of a multi handle then leaves the resolver thread to end by itself; without it,
** libcurl joins the thread, and a cancel or a time-out lasts as long as the system's
** resolver takes (10 s or more where the name server is silent). */
#if LIBCURL_VERSION_NUM >= 0x075700
#define CURL_HAS_QUICK_EXIT 1
#else
#define CURL_HAS_QUICK_EXIT 0
#endif

/* 8.6.0: CURLE_TOO_LARGE, for headers over libcurl's own limit. */
#if LIBCURL_VERSION_NUM >= 0x080600
#define CURL_E_TOO_LARGE CURLE_TOO_LARGE
#else
#define CURL_E_TOO_LARGE 100
#endif

/* 8.20.0: CURLMOPT_QUICK_EXIT, nice to have. Resolver threads belong to the multi
** handle from then on, and the same choice is made where that is cleaned up. */
#if LIBCURL_VERSION_NUM >= 0x081400
#define CURL_HAS_MULTI_QUICK_EXIT 1
#else
#define CURL_HAS_MULTI_QUICK_EXIT 0
#endif

#endif
